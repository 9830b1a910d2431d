"""Run in a guest: a thousand kills in 64 cgroups, from the moment on when a trace says that it is ready.

What the trace tells of each goes to a file, as lines of JSON. Prints JSON: how many OOMs there were, and of how many
there is an event, a whole one, with whose process it was.
"""

import json
import time

from bench_common import Trace, cgroup, kernel_kills
from bench_live import side_by_side

CGROUPS, KILLS = 64, 1024


def main():
    paths = [cgroup(f"storm{number}", 3 << 20) for number in range(CGROUPS)]
    trace = Trace()
    before, began_s = kernel_kills(), time.monotonic()
    side_by_side(paths, KILLS // CGROUPS)
    took_s = time.monotonic() - began_s
    time.sleep(4)
    peak_kb = trace.status("VmHWM")
    events, said = trace.stop()
    found = {
        "kills": kernel_kills() - before, "events": len(events), "said": said,
        "lacking": [event["origin"]["missing"] for event in events if event["origin"]["missing"]][:3],
        "lost": sum(event["trace"]["records_lost"] for event in events),
        "whose": sum(bool(event["witness"] and event["witness"]["tasks"]) for event in events),
        "history": sum(bool(event["trace"]["history"]) for event in events),
        "looked": sum(bool(event["witness"] and event["witness"]["looks"]) for event in events),
        "seconds": round(took_s), "seconds in all": round(time.monotonic() - began_s), "peak_kb": peak_kb,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
