"""The page in a headless Chromium, opened from file://, as a reader uses it."""

from __future__ import annotations

import shutil

import pytest
from prsbench.harness.report.figures.bars import bars
from prsbench.harness.report.page.document import page
from prsbench.harness.report.statistics.rows import rows_of
from prsbench.harness.report.tables.selection import tables_of

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser: pip install selenium")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver")
MAIN = "//h2[@id='main']/following::table[1]"


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(grid, tmp_path_factory):
    cells = [c.without_numbers(status="failed", error="boom") if (c.method, c.seed) == ("oracle", 0) else c for c in grid()]
    rows = rows_of(cells)
    path = tmp_path_factory.mktemp("run") / "report.html"
    path.write_text(page(cells, tables_of(cells), [bars(rows, rows[0].data_kind)], has_viewer=True))
    return f"file://{path}"


@pytest.fixture
def opened(browser, address):
    browser.get("about:blank")
    browser.set_window_size(1400, 900)
    browser.get(address)
    assert browser.execute_script("return document.body.dataset.ready") == "yes"
    return browser


def main_table(driver):
    table = driver.find_element(By.XPATH, MAIN)
    driver.execute_script("arguments[0].scrollIntoView()", table)
    return table


def column(table, place):
    return [row.find_elements(By.XPATH, "*")[place].text for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")]


def test_it_opens_from_a_file_without_one_error_or_blocked_part(opened):
    assert [entry for entry in opened.get_log("browser") if "favicon" not in entry["message"]] == []
    assert opened.execute_script("return [...document.images].every((image) => image.naturalWidth > 0)")
    banner = opened.find_element(By.CSS_SELECTOR, ".banner")
    assert "SYNTHETIC" in banner.text and banner.is_displayed()
    opened.execute_script("scrollTo(0, document.body.scrollHeight)")
    assert opened.execute_script("return arguments[0].getBoundingClientRect().top", banner) == 0  # it stays in view


def test_a_click_sorts_by_number_with_failed_rows_last_and_a_third_restores_the_order(opened):
    table = main_table(opened)
    before = column(table, 0)
    button = table.find_element(By.CSS_SELECTOR, "th.mean[scope=col] button")
    head = button.find_element(By.XPATH, "..")
    orders = []
    for expected in ("descending", "ascending"):
        button.click()
        assert head.get_attribute("aria-sort") == expected
        numbers = [float(text.split()[0].strip("†‡§")) for text in column(table, 2) if text[0].isdigit()]
        orders.append(numbers)
        assert numbers == sorted(numbers, reverse=expected == "descending") and len(numbers) == len(before) - 1
        assert column(table, 0)[-1] == "oracle"
    button.click()
    assert head.get_attribute("aria-sort") is None and column(table, 0) == before


def test_the_keyboard_alone_sorts_and_skips_to_the_results(opened):
    button = main_table(opened).find_element(By.CSS_SELECTOR, "th.first button")
    button.send_keys(Keys.ENTER)
    names = column(main_table(opened), 0)
    assert names == sorted(names) and button.find_element(By.XPATH, "..").get_attribute("aria-sort") == "ascending"
    opened.find_element(By.CSS_SELECTOR, ".skip").send_keys(Keys.ENTER)
    assert opened.switch_to.active_element.get_attribute("id") == "content"


def test_the_filter_leaves_the_rows_with_all_its_words_and_counts_them(opened):
    table = main_table(opened)
    field = opened.find_element(By.XPATH, "//h2[@id='main']/following::input[1]")
    field.send_keys("lite BOX")
    shown = [row.text.split()[0] for row in table.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()]
    assert shown == ["lite_medsam_oracle_box", "lite_medsam_jittered_box"]
    assert opened.find_element(By.XPATH, "//h2[@id='main']/following::span[@role='status'][1]").text == "2 of 6 rows"


def test_at_1400_pixels_the_method_and_the_means_are_in_view_before_and_after_scrolling_sideways(opened):
    table = main_table(opened)
    scroll = table.find_element(By.XPATH, "..")
    for by in (0, 10_000):
        opened.execute_script("arguments[0].scrollLeft = arguments[1]", scroll, by)
        box = opened.execute_script("return arguments[0].getBoundingClientRect().toJSON()", scroll)
        cells = table.find_elements(By.CSS_SELECTOR, "tbody tr:first-child .first, tbody tr:first-child .mean")
        places = [opened.execute_script("return arguments[0].getBoundingClientRect().toJSON()", cell) for cell in cells]
        assert len(places) == 4 and all(box["left"] <= p["left"] and p["right"] <= box["right"] for p in places)
        assert all(one["right"] <= other["left"] + 1 for one, other in zip(places, places[1:], strict=False))
        on_top = [
            opened.execute_script(
                "return arguments[0].contains(document.elementFromPoint(arguments[1], arguments[2]))",
                cell, (p["left"] + p["right"]) / 2, (p["top"] + p["bottom"]) / 2,
            )
            for cell, p in zip(cells, places, strict=True)
        ]  # fmt: skip
        assert all(on_top)  # no other column covers them


@pytest.mark.parametrize("width", [500, 1400])
def test_the_page_itself_never_scrolls_sideways(opened, width):
    opened.set_window_size(width, 900)
    assert opened.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_dark_mode_changes_page_and_text(opened):
    colours = []
    for scheme in ("light", "dark"):
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        colours.append(opened.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"))
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert colours == [["rgb(27, 27, 27)", "rgb(255, 255, 255)"], ["rgb(232, 232, 232)", "rgb(22, 24, 28)"]]


def test_print_shows_the_tables_without_navigation_or_fields(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = [opened.find_element(By.CSS_SELECTOR, name).is_displayed() for name in ("nav", ".tools")]
    scroll = main_table(opened).find_element(By.XPATH, "..")
    overflow = opened.execute_script("return getComputedStyle(arguments[0]).overflowX", scroll)
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert hidden == [False, False] and overflow == "visible"


def test_a_number_leads_to_the_viewer_and_a_note_to_its_text(opened):
    address = main_table(opened).find_element(By.CSS_SELECTOR, "td a").get_attribute("href")
    assert address.endswith("viewer/index.html#row=cg_reasoner&sort=mdice_pranet")
    opened.find_element(By.XPATH, "//p[@class='below']/a[contains(@href, '#note-')]").click()
    assert opened.find_element(By.CSS_SELECTOR, "li:target").is_displayed()
