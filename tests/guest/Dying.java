import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A program of Java that dying.py has killed: Dying MEMORY_CURRENT BYTES PAUSED SEEN */
public class Dying {
    static final List<byte[]> KEPT = new ArrayList<>();

    static void take() {
        byte[] one = new byte[256 << 10];
        java.util.Arrays.fill(one, (byte) 1);
        KEPT.add(one);
    }

    public static void main(String[] args) throws Exception {
        long enough = Long.parseLong(args[1]);
        while (Long.parseLong(Files.readString(Path.of(args[0])).trim()) < enough) {
            take();
        }
        Files.writeString(Path.of(args[2]), "");
        Thread.sleep(3000);
        while (!Files.exists(Path.of(args[3]))) {
            Thread.sleep(100);
        }
        while (true) {
            take();
        }
    }
}
