import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Takes so many MiB, says so, and waits. */
public class Filling {
    static final List<byte[]> KEPT = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        for (int mib = Integer.parseInt(args[0]); mib > 0; mib--) {
            byte[] one = new byte[1 << 20];
            Arrays.fill(one, (byte) 1);
            KEPT.add(one);
        }
        System.out.println("ready");
        Thread.sleep(60_000);
    }
}
