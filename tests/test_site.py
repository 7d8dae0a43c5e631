"""The built documentation site: its links and pictures, and how it looks in a browser.

These tests need the site in build/site; CONTRIBUTING.md has the command. They are run
by ``pytest -n 0 -m site`` and, with Chromium, by ``pytest -n 0 -m browser``.
"""

import functools
import http.server
import shutil
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).parents[1] / "build" / "site"
WIDTHS = {"desk": 1280, "phone": 390}
# A page of each kind. These are looked at in each width and each mode.
KINDS = [
    "index.html",
    "start.html",
    "guide/index.html",
    "guide/convergence.html",
    "how_to/lbfgs_failed_to_converge.html",
    "theory/certificate.html",
    "tutorial/index.html",
    "tutorial/2_cross_entropy.html",
    "gallery/index.html",
    "gallery/choose_c.html",
    "reference/index.html",
    "api/skxent.BinaryLogReg.html",
    "api/skxent.entropy.html",
    "api.html",
    "benchmarks.html",
    "changelog.html",
    "contributing.html",
]


class Page(HTMLParser):
    """The targets, the anchors and the pictures of a page."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.pictures, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.anchors.add(attrs["id"])
        if tag == "a" and attrs.get("href"):
            self.targets.append(attrs["href"])
        if tag == "img":
            self.pictures.append(attrs)


@functools.cache
def page(path):
    return Page(path)


def pages():
    """Return the files of all pages; the theme keeps parts of pages in _static."""
    found = [p for p in sorted(SITE.rglob("*.html")) if "_static" not in p.parts]
    assert found, f"build the site into {SITE} first"
    return found


def lookup(start, target):
    """Return the file that a relative address leads to, and its fragment."""
    parts = urlsplit(target)
    file = start.parent / unquote(parts.path) if parts.path else start
    return file.resolve(), unquote(parts.fragment)


@pytest.mark.site
def test_all_internal_links_lead_somewhere():
    broken = []
    for path in pages():
        for target in page(path).targets:
            if urlsplit(target).scheme:
                continue
            file, fragment = lookup(path, target)
            found = file.is_file()
            if found and fragment and file.suffix == ".html":
                found = fragment in page(file).anchors
            if not found:
                broken.append((str(path.relative_to(SITE)), target))
    assert broken == []


@pytest.mark.site
def test_all_pictures_exist_and_say_what_they_show():
    for path in pages():
        for attrs in page(path).pictures:
            assert lookup(path, attrs["src"])[0].is_file(), (path, attrs)
            assert "alt" in attrs, (path, attrs)


@pytest.mark.site
def test_the_guide_shows_what_the_displays_draw():
    shown = {
        path.stem
        for path in (SITE / "guide").glob("*.html")
        if any("guide-" in attrs["src"] for attrs in page(path).pictures)
    }
    assert shown >= {"choose_c", "convergence", "inference", "judging", "penalties"}


@pytest.mark.site
def test_every_display_has_an_example():
    for path in (SITE / "api").glob("skxent.*Display.html"):
        gallery = [t for t in page(path).targets if t.startswith("../gallery/")]
        assert gallery, path


@pytest.mark.site
def test_no_page_loads_anything_from_elsewhere():
    for path in pages():
        text = path.read_text(encoding="utf-8")
        assert 'src="http' not in text, path
        assert 'rel="stylesheet" href="http' not in text, path


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def look(driver, width, mode):
    """Make the window as wide as a desk or a phone, and the page light or dark."""
    device = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    feature = {"name": "prefers-color-scheme", "value": mode}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def check(driver):
    """Assert that a page has no error, no broken picture, and fits the window."""
    # pictures load as they come into sight
    driver.execute_async_script(
        """
        const done = arguments[0];
        const pictures = [...document.images];
        pictures.forEach(picture => { picture.loading = "eager"; });
        Promise.all(pictures.map(picture => picture.decode().catch(() => null)))
            .then(done);
        """
    )
    broken = driver.execute_script(
        "return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
    )
    assert broken == [], driver.current_url
    errors = [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
    assert errors == [], driver.current_url
    too_wide = driver.execute_script(
        "return document.documentElement.scrollWidth - window.innerWidth"
    )
    assert too_wide <= 0, driver.current_url


def wait_for(driver, condition):
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(driver, 30).until(condition)


@pytest.mark.browser
@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("device", WIDTHS)
def test_pages_of_all_kinds_look_right(chromium, address, device, mode):
    look(chromium, WIDTHS[device], mode)
    for kind in KINDS:
        chromium.get(address + kind)
        check(chromium)
        theme = chromium.execute_script("return document.documentElement.dataset.theme")
        assert theme == mode


@pytest.mark.browser
@pytest.mark.parametrize(("device", "mode"), [("desk", "light"), ("phone", "dark")])
def test_every_page_looks_right(chromium, address, device, mode):
    look(chromium, WIDTHS[device], mode)
    for path in pages():
        chromium.get(address + path.relative_to(SITE).as_posix())
        check(chromium)


@pytest.mark.browser
@pytest.mark.parametrize("device", WIDTHS)
def test_search_finds_a_class_and_leads_to_it(chromium, address, device):
    look(chromium, WIDTHS[device], "light")
    chromium.get(address + "search.html?q=SoftmaxReg")
    results = wait_for(
        chromium, lambda d: d.find_elements("css selector", "#search-results li a")
    )
    check(chromium)
    page_of_class = next(
        link
        for link in results
        if "skxent.SoftmaxReg.html" in link.get_attribute("href")
    )
    chromium.execute_script("arguments[0].click()", page_of_class)
    wait_for(chromium, lambda d: d.title.startswith("SoftmaxReg"))
    check(chromium)


@pytest.mark.browser
def test_the_search_button_opens_a_field(chromium, address):
    look(chromium, WIDTHS["desk"], "light")
    chromium.get(address + "index.html")
    buttons = chromium.find_elements("css selector", ".search-button__button")
    next(button for button in buttons if button.is_displayed()).click()
    field = wait_for(
        chromium,
        lambda d: next(
            (
                field
                for field in d.find_elements("css selector", "input[type=search]")
                if field.is_displayed()
            ),
            None,
        ),
    )
    field.send_keys("soft labels\n")
    wait_for(chromium, lambda d: "search.html" in d.current_url)
    wait_for(
        chromium, lambda d: d.find_elements("css selector", "#search-results li a")
    )
    check(chromium)


@pytest.mark.browser
@pytest.mark.parametrize("device", WIDTHS)
def test_from_the_gallery_to_the_reference_and_back(chromium, address, device):
    look(chromium, WIDTHS[device], "dark")
    chromium.get(address + "gallery/index.html")
    card = chromium.find_element(
        "css selector", ".sphx-glr-thumbcontainer a[href*='score_card']"
    )
    chromium.execute_script("arguments[0].click()", card)
    wait_for(chromium, lambda d: d.title.startswith("A score card"))
    check(chromium)
    name = chromium.find_element(
        "css selector", ".highlight a[href*='skxent.BinaryLogReg.html']"
    )
    chromium.execute_script("arguments[0].click()", name)
    wait_for(chromium, lambda d: d.title.startswith("BinaryLogReg"))
    check(chromium)
    assert chromium.find_elements(
        "css selector", ".sphx-glr-thumbcontainer a[href*='score_card']"
    )


@pytest.mark.browser
def test_the_menu_of_a_phone_leads_to_the_theory(chromium, address):
    look(chromium, WIDTHS["phone"], "light")
    chromium.get(address + "index.html")
    toggle = chromium.find_element("css selector", ".primary-toggle")
    toggle.click()
    theory = wait_for(
        chromium,
        lambda d: next(
            (
                link
                for link in d.find_elements("link text", "Theory")
                if link.is_displayed()
            ),
            None,
        ),
    )
    theory.click()
    wait_for(chromium, lambda d: d.title.startswith("Theory"))
    check(chromium)
