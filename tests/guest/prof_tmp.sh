oomtrace -v --timeout 0.1
oomtrace --timeout 0.1
cd /root/oomtrace
for i in 1 2; do python3 /root/oomtrace/tests/guest/prof_tmp.py;  NAMES=1 python3 /root/oomtrace/tests/guest/prof_tmp.py; done
for i in 1 2 3; do python3 -c "
import time,subprocess
t=time.monotonic(); subprocess.run(['python3','-c','pass']); print('python', time.monotonic()-t)
t=time.monotonic(); subprocess.run(['python3','-c','import click']); print('python click', time.monotonic()-t)
t=time.monotonic(); subprocess.run(['oomtrace','--help'],capture_output=True); print('help', time.monotonic()-t)
t=time.monotonic(); subprocess.run(['oomtrace','--timeout','0.01'],capture_output=True); print('whole', time.monotonic()-t)
"; done
