"""``make pictures``: a page of each kind as a browser shows it, wide and narrow, light and dark, and on paper."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.page import browser, scenes
from tests.page.browser import Browser

FOLDER = Path("pictures")
ALONE = ("demo", "two-nodes", "tmpfs", "container", "group", "swap")
# Width, dark, and what stands in the picture's name.
LOOKS = ((1400, False, "wide"), (1400, True, "dark"), (800, False, "half"), (320, False, "narrow"))


def main() -> int:
    if browser.missing() is not None:
        print(f"{browser.missing()} is not installed", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    pages = {name: scenes.page(scenes.captured(name)) for name in ALONE}
    pages.update(cut=scenes.page(scenes.cut()), busy=scenes.page(scenes.busy()), hostile=scenes.page(scenes.hostile()))
    pages.update(code=scenes.page(scenes.coded()), deep=scenes.page(scenes.deep()))
    pages["many"] = scenes.page(*(scenes.captured(name) for name in sorted(scenes.CAPTURES)))
    pages["killings"] = scenes.page(*scenes.logged(scenes.killings(1000)))
    with Browser() as chromium:
        for name, source in pages.items():
            page = FOLDER / f"{name}.html"
            page.write_text(source)
            for width, dark, look in LOOKS:
                chromium.look(width, dark=dark)
                chromium.open(page)
                chromium.picture(FOLDER / f"{name}-{look}.png")
            chromium.print(FOLDER / f"{name}.pdf")
            print(f"{page}: {len(source.encode()) / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
