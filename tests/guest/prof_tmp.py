import sys, time, os
t0=time.monotonic()
sys.path.insert(0,"/root/oomtrace")
def mark(w):
    global t0
    t=time.monotonic(); print(f"{w}: {1000*(t-t0):.0f} ms", file=sys.stderr); t0=t
import click
mark("click")
import oomtrace.cli
mark("cli")
import oomtrace.cli.trace
mark("cli.trace")
from oomtrace import plan, tracing
from oomtrace.kernel import probes, machine
from oomtrace.live import tracer, bpf
p=plan.kept(); mark("kept()")
pl=plan._load(p); mark("_load")
base=plan._base(); mark("base")
tot={}
def wrap(mod,name):
    f=getattr(mod,name)
    def g(*a,**k):
        t=time.monotonic()
        try: return f(*a,**k)
        finally:
            d=tot.setdefault(name,[0,0]); d[0]+=time.monotonic()-t; d[1]+=1
    setattr(mod,name,g)
if os.environ.get("NAMES"):
    oa=bpf.attach_kprobe
    bpf.attach_kprobe=lambda a,b,c,d=None: oa(a,b,c)
for n in ("load_program","attach_kprobe","create_map","attach_direct","open_output"): wrap(bpf,n)
from oomtrace.live import image
of=image.Program.linked
def linked(self,*a):
    t=time.monotonic(); r=of(self,*a); d=tot.setdefault("linked",[0,0]); d[0]+=time.monotonic()-t; d[1]+=1; return r
image.Program.linked=linked
each={}
ol=bpf.load_program
def lp(name,*a):
    t=time.monotonic(); r=ol(name,*a); each[name]=(time.monotonic()-t,len(a[0])//8); return r
bpf.load_program=lp
tr=tracing.Trace(lambda _:None, lambda m:print(m,file=sys.stderr))
t0=time.monotonic()
tr.start(); mark("start (plan, load, attach)")
print({k:(round(1000*v[0]),v[1]) for k,v in tot.items()},file=sys.stderr)
print(sorted(((round(1000*v[0],1),v[1],k) for k,v in each.items()),reverse=True),file=sys.stderr)
t0=time.monotonic(); tr._prepare(); mark("prepare")
t0=time.monotonic(); tr.close(); mark("close")
