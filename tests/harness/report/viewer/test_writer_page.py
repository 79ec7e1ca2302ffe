"""The viewer in a headless Chromium, opened from file://, as a reader uses it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from prsbench.harness.report.viewer.links import link, sample_key
from prsbench.harness.report.viewer.writer import write_viewer

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser: pip install selenium")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver")
EVIL = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
N = 40


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    downloads = tmp_path_factory.mktemp("downloads")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,900"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.downloads = downloads
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(cell, refilled, source, tmp_path_factory):
    """A run of three rows on two modalities, with failed samples, and hostile texts in lung_ct/03."""
    rng = np.random.default_rng(1)
    cells = []
    for method in ("cg_reasoner", "whole_image", "oracle"):
        for modality in ("brain_mri", "lung_ct"):
            values = tuple(rng.uniform(0, 1, N).round(6).tolist())
            failed = (5,) if method == "cg_reasoner" and modality == "brain_mri" else ()
            plain = cell(method, values, modality, failed=failed)
            records = [
                replace(r, answer=f"{method} says number {i}.", question=f"Where is finding {i}?") if r.status == "ok" else r
                for i, r in enumerate(plain.records)
            ]
            if modality == "lung_ct":
                records[3] = replace(records[3], answer=EVIL, question=EVIL, reference_answer=EVIL, group=EVIL)
            changed = {"text_x": 0.5, "text_y": -0.5}
            scores = [{**s, **changed, "s_vis": 1 - s["dice@0.5"], "hd95_px": 10 * s["dice@0.5"]} for s in plain.scores]
            cells.append(refilled(plain, records, scores))
    cells[3] = cells[3].without_numbers(status="failed", error="out of memory")  # whole_image on lung_ct
    return cells, write_viewer(cells, tmp_path_factory.mktemp("run") / "viewer", source(cells), "three rows")


@pytest.fixture
def opened(browser, page):
    """Opens an address of the page; its `message` is what the page says."""

    def open_at(fragment: str = ""):
        browser.get("about:blank")
        browser.get(f"file://{page[1]}{fragment}")
        WebDriverWait(browser, 20).until(lambda d: d.execute_script("return document.body.dataset.ready === 'yes'"))
        return browser

    return open_at


def at(driver, css):
    return driver.find_element(By.CSS_SELECTOR, css)


def shown_sample(driver):
    return at(driver, "#name").text.rpartition(" (")[0]


def settled(driver, condition):
    WebDriverWait(driver, 10).until(lambda d: condition())


def listed(driver):
    """The names of the items in sight, from the top."""
    items = driver.find_elements(By.CSS_SELECTOR, ".item")
    return [item.find_element(By.TAG_NAME, "b").text for item in sorted(items, key=lambda i: int(i.get_attribute("data-place")))]


def expected_order(page, number, metric, reverse=False, modalities=(0, 1)):
    """Sample keys by a metric of the row whose cells start at `number`, NaN last."""
    cells = [page[0][number + m] for m in modalities]
    pairs = [(s[metric], sample_key(c.dataset, r.sample_id)) for c in cells for r, s in zip(*c.read(), strict=True)]
    known = sorted((pair for pair in pairs if pair[0] == pair[0]), key=lambda pair: pair[0], reverse=reverse)
    return [key for _, key in known]


def test_it_opens_from_a_file_without_one_error_or_blocked_script(opened):
    driver = opened()
    assert "SYNTHETIC" in at(driver, "#warnings").text and at(driver, "#warnings").is_displayed()
    assert "80 of 80 samples" in at(driver, "#count").text
    assert [entry for entry in driver.get_log("browser") if "favicon" not in entry["message"]] == []
    images = driver.find_elements(By.CSS_SELECTOR, "#panels .frame > img:first-child")
    assert len(images) == 3 and all(driver.execute_script("return arguments[0].naturalWidth", image) == 64 for image in images)
    assert all(stamp.text == "SYNTHETIC" for stamp in driver.find_elements(By.CSS_SELECTOR, ".stamp"))


def test_the_worst_sample_of_the_first_row_comes_first_and_samples_without_number_last(opened, page):
    driver = opened()
    order = expected_order(page, 0, "mdice_pranet")
    assert shown_sample(driver) == order[0]
    at(driver, "#list").send_keys(Keys.END)
    settled(driver, lambda: shown_sample(driver) == "brain_mri/brain_mri/05")  # it failed
    assert "FAILED: RuntimeError: out of memory" in at(driver, "#panels").text


@pytest.mark.parametrize(("order", "reverse"), [("worst", True), ("best", False)])
def test_a_distance_is_worst_where_it_is_largest(opened, page, order, reverse):
    driver = opened(f"#row=oracle&sort=hd95_px&order={order}")
    assert shown_sample(driver) == expected_order(page, 4, "hd95_px", reverse)[0]


def test_sorting_by_the_difference_of_two_rows_puts_the_largest_first(opened, page):
    driver = opened("#row=cg_reasoner&row2=oracle&by=difference&sort=dice%400.5")
    a, b = (
        {
            k: v
            for c in page[0][i : i + 2]
            for k, v in zip([r.sample_id for r in c.records], [s["dice@0.5"] for s in c.scores], strict=True)
        }
        for i in (0, 4)
    )
    difference = {key: abs(a[key] - b[key]) for key in a if a[key] == a[key]}
    assert shown_sample(driver).partition("/")[2] == max(difference, key=difference.get)
    mean = sum(difference.values()) / len(difference)
    assert f"mean difference in Dice@0.5 {mean:.3f} over the 79" in at(driver, "#count").text


def test_sorting_by_text_against_mask_puts_the_least_agreement_first(opened, page):
    driver = opened("#row=oracle&by=text")
    assert shown_sample(driver) == expected_order(page, 4, "s_vis")[0]
    least = min(scores["s_vis"] for cell in page[0][4:6] for scores in cell.scores)
    assert at(driver, ".item[aria-selected=true] .numbers").text == f"A {least:.3f}"


def test_a_link_from_a_number_shows_exactly_its_samples(opened, page):
    address = link("oracle", page="", modality="lung_ct", sort="dice@0.5", order="worst")
    driver = opened(address)
    assert "40 of 80 samples" in at(driver, "#count").text
    values = [scores["dice@0.5"] for scores in page[0][5].scores]
    assert f"mean Dice@0.5 {sum(values) / 40:.3f} over the 40" in at(driver, "#count").text
    assert shown_sample(driver) == expected_order(page, 4, "dice@0.5", modalities=(1,))[0]
    assert Select(at(driver, "#choose-row2")).first_selected_option.text == "–"


def test_filters_count_and_combine(opened):
    driver = opened("#row=cg_reasoner&status=failed")
    assert "1 of 80 samples" in at(driver, "#count").text and shown_sample(driver) == "brain_mri/brain_mri/05"
    at(driver, "#more").find_element(By.TAG_NAME, "summary")
    Select(at(driver, "#choose-modality")).select_by_value("lung_ct")
    settled(driver, lambda: at(driver, "#count").text.startswith("0 of 80"))
    assert at(driver, "#name").text.startswith("No sample fits") and not driver.find_elements(By.CSS_SELECTOR, ".item")
    at(driver, "#reset").click()
    settled(driver, lambda: at(driver, "#count").text.startswith("80 of 80"))


def test_a_row_that_failed_says_why_on_every_sample(opened):
    driver = opened("#row=whole_image&modality=lung_ct")
    assert "40 of 80 samples" in at(driver, "#count").text and "over the 0" in at(driver, "#count").text
    assert "ROW FAILED: out of memory" in at(driver, "#panels").text


def test_search_finds_questions_and_the_answers_of_the_shown_rows_alone(opened):
    driver = opened("#row=oracle")
    for words, count in (
        ("FINDING 17?", 2),
        ("oracle says number 9.", 2),
        ("whole_image says", 0),
        ("brain_mri/brain_mri/02", 1),
    ):
        at(driver, "#choose-search").clear()
        at(driver, "#choose-search").send_keys(words)
        settled(driver, lambda n=count: at(driver, "#count").text.startswith(f"{n} of 80"))


def test_arrows_go_to_the_next_sample_and_step_through_the_overlays(opened, page):
    driver = opened()
    order = expected_order(page, 0, "mdice_pranet")
    body = at(driver, "body")
    body.send_keys(Keys.ARROW_RIGHT)
    settled(driver, lambda: shown_sample(driver) == order[1])
    body.send_keys(Keys.ARROW_LEFT)
    settled(driver, lambda: shown_sample(driver) == order[0])

    def visible():
        return {
            n
            for n in ("truth", "prediction")
            if any(e.is_displayed() for e in driver.find_elements(By.CSS_SELECTOR, f".layer.{n}"))
        }

    steps = []
    for _ in range(4):
        body.send_keys(Keys.ARROW_DOWN)
        steps.append(visible())
    assert steps == [{"truth"}, {"prediction"}, set(), {"truth", "prediction"}]
    at(driver, "#truth").click()
    assert visible() == {"prediction"}


def test_the_point_of_the_text_lies_where_the_judge_put_it(opened):
    driver = opened("#sample=" + "brain_mri%2Fbrain_mri%2F01&row=oracle")
    dot, frame = at(driver, ".dot"), driver.find_elements(By.CSS_SELECTOR, ".frame")[1]
    centre = dot.rect["x"] + dot.rect["width"] / 2 - frame.rect["x"], dot.rect["y"] + dot.rect["height"] / 2 - frame.rect["y"]
    assert centre == pytest.approx((0.75 * frame.rect["width"], 0.25 * frame.rect["height"]), abs=1.5)  # (0.5, -0.5) in the frame


def test_a_link_to_a_sample_opens_it_and_the_address_follows_the_reader(opened, browser):
    driver = opened("#sample=lung_ct%2Flung_ct%2F07")
    assert shown_sample(driver) == "lung_ct/lung_ct/07"
    at(driver, "#next").click()
    settled(driver, lambda: shown_sample(driver) != "lung_ct/lung_ct/07")
    there, fragment = shown_sample(driver), driver.current_url.partition("#")[2]
    opened(f"#{fragment}")
    assert shown_sample(browser) == there


def test_names_that_the_page_does_not_know_are_named_and_not_followed(opened):
    driver = opened("#row=nobody&modality=liver&colour=red")
    assert at(driver, "#message").text == "Not known here and ignored: row=nobody, modality=liver, colour."
    assert "80 of 80" in at(driver, "#count").text


def test_worst_best_and_random_choose_a_sample(opened, page):
    driver = opened()
    order = expected_order(page, 0, "mdice_pranet")
    at(driver, "#best").click()
    settled(driver, lambda: shown_sample(driver) == order[-1])
    at(driver, "#worst").click()
    settled(driver, lambda: shown_sample(driver) == order[0])
    seen = set()
    for _ in range(8):
        at(driver, "#random").click()
        seen.add(at(driver, "#name").text)
    assert len(seen) > 1


def test_ratings_survive_the_page_and_are_exported(opened, browser):
    driver = opened("#row=cg_reasoner&row2=oracle&sample=brain_mri%2Fbrain_mri%2F02")
    driver.execute_script("localStorage.clear()")
    at(driver, "body").send_keys("4")
    settled(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "input[name=rating-A][value='4']:checked"))
    driver.find_elements(By.CSS_SELECTOR, "input[name=rating-B]")[1].click()
    opened("#row=cg_reasoner&row2=oracle&sample=brain_mri%2Fbrain_mri%2F02")
    assert (
        at(browser, "input[name=rating-A][value='4']").is_selected()
        and at(browser, "input[name=rating-B][value='2']").is_selected()
    )
    at(browser, "#export").click()
    path = browser.downloads / "ratings.json"
    settled(browser, path.exists)
    exported = json.loads(path.read_text())
    sample = "brain_mri/brain_mri/02"
    assert exported["run"] == "three rows" and exported["ratings"] == [
        {"sample": sample, "row": "cg_reasoner", "rating": 4},
        {"sample": sample, "row": "oracle", "rating": 2},
    ]
    at(browser, "body").send_keys("0")
    settled(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, "input[name=rating-A]:checked"))


def test_hostile_texts_are_shown_as_text_and_run_nothing(opened):
    driver = opened("#row=oracle&sample=lung_ct%2Flung_ct%2F03")
    assert EVIL in at(driver, "#question").text and EVIL in at(driver, "#panels").text and EVIL in at(driver, "#facts").text
    assert driver.execute_script("return window.hit") is None
    driver.execute_script("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hit=1\">')")
    assert (
        driver.execute_async_script("setTimeout(() => arguments[0](window.hit ?? null), 300)") is None
    )  # by the policy of the page


def test_only_the_items_in_sight_are_in_the_page(opened):
    driver = opened()
    assert 5 <= len(driver.find_elements(By.CSS_SELECTOR, ".item")) <= 25
    driver.execute_script("document.getElementById('list').scrollTop = 40 * 60")
    first = "return Math.min(...[...document.querySelectorAll('.item')].map((item) => Number(item.dataset.place)))"
    settled(driver, lambda: driver.execute_script(first) > 30)  # in one script: items are replaced while the list scrolls


def test_a_screen_reader_finds_names_for_every_control_and_the_chosen_item(opened):
    driver = opened()
    unnamed = [
        element.get_attribute("id") or element.tag_name
        for element in driver.find_elements(By.CSS_SELECTOR, "button, select, input")
        if element.is_displayed() and not element.accessible_name
    ]
    assert unnamed == []
    at(driver, "#list").send_keys(Keys.ARROW_DOWN)
    settled(driver, lambda: shown_sample(driver).split("/", 1)[1] == listed(driver)[1])
    chosen = at(driver, f"#{at(driver, '#list').get_attribute('aria-activedescendant')}")
    assert chosen.get_attribute("aria-selected") == "true" and chosen.get_attribute("aria-posinset") == "2"
    assert all(image.get_attribute("alt") for image in driver.find_elements(By.CSS_SELECTOR, "#panels img"))


def test_each_row_shows_its_labels(opened):
    driver = opened("#row=cg_reasoner&row2=oracle")
    text = at(driver, "#panels").text
    assert "prompt source: question · weights: trained here · text source: generated" in text and "prompt source: truth" in text
    assert "native size" in at(driver, "#labels").get_attribute("textContent")


@pytest.mark.parametrize("width", [420, 800, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_text_stands_out(opened, width, scheme):
    driver = opened("#row=cg_reasoner&row2=whole_image&row3=oracle")
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        colours = driver.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
        text, ground = (sum(map(int, colour.strip("rgb()").split(","))) / 3 for colour in colours)
        assert text < 60 and ground > 200 if scheme == "light" else text > 200 and ground < 60
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_missing_data_file_is_named(opened, page, browser):
    lost = page[1].parent / "data" / "texts-0.js"
    hidden = lost.rename(lost.with_suffix(".hidden"))
    try:
        browser.get("about:blank")
        browser.get(f"file://{page[1]}")
        settled(browser, lambda: "data/texts-0.js is missing" in at(browser, "#message").text)
    finally:
        hidden.rename(lost)
