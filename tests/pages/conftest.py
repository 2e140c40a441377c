"""A headless Chromium for the tests of the pages, where there is one."""

import shutil

import pytest

HIDDEN = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,900")


@pytest.fixture(scope="session")
def _chromium():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("there is no Chromium with its chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in HIDDEN:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Named, or selenium would look for a driver on the network.
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield running
    running.quit()


@pytest.fixture
def browser(_chromium):
    """The browser; a test fails that leaves an error or a violation of the page's policy in its console."""
    _chromium.get("about:blank")
    _chromium.get_log("browser")
    yield _chromium
    said = [entry["message"] for entry in _chromium.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    _chromium.get("about:blank")  # a page that moves would take the processor from the tests that follow
    assert not said


@pytest.fixture
def show(browser, tmp_path):
    """Write a page to a file, open it, and give the browser."""

    def opened(html, name="page.html"):
        path = tmp_path / name
        path.write_text(html, encoding="utf-8")
        browser.get(path.as_uri())
        return browser

    return opened
