package dev.gatun.cli.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The page at / in a real browser, by keyboard. Its pictures go to target/screenshots; {@code -Dgatun.screenshots=FOLDER} puts them
 * elsewhere, and {@code -Dgatun.screenshots.model=FILE} has another model on them than the tiny one, which says nothing sensible.
 */
class PageTest {
    private static final Path PICTURES = Path.of(System.getProperty("gatun.screenshots", "target/screenshots"));

    private static RunningServer server;
    private static Browser browser;

    @BeforeAll
    static void start(@TempDir Path folder, @TempDir Path profile) throws IOException, InterruptedException {
        String model = System.getProperty("gatun.screenshots.model");
        server = model == null
                ? RunningServer.start(ServeSettings.DEFAULT, folder)
                : RunningServer.start(ServeSettings.DEFAULT, folder, Path.of(model));
        browser = Browser.start(profile);
    }

    @AfterAll
    static void stop() throws IOException, InterruptedException {
        try {
            browser.close();
        } finally {
            server.close();
        }
    }

    @BeforeEach
    void open() throws IOException, InterruptedException {
        browser.scheme("light");
        browser.open(server.url("/"));
        browser.await("document.querySelector('[role=tab][aria-selected=true]')");
    }

    /** Goes to a tab by the arrow keys. */
    private static void choose(String tab) throws IOException, InterruptedException {
        browser.tabTo("[role=tab][aria-selected=true]");
        for (int i = 0;
                i < 4
                        && !browser.run("return document.activeElement.id")
                                .asText()
                                .equals(tab);
                i++) {
            browser.type(Browser.RIGHT);
        }
        browser.await("document.activeElement.id === '" + tab + "' && document.activeElement.ariaSelected === 'true'");
    }

    private static void setText(String css, String text) throws IOException, InterruptedException {
        browser.tabTo(css);
        browser.run("document.activeElement.select()");
        browser.type(text);
    }

    private static void press(String button) throws IOException, InterruptedException {
        browser.tabTo(button);
        browser.type(Browser.ENTER);
    }

    @Test
    void aChatGoesOn() throws Exception {
        choose("tab-chat");
        setText("#temperature", "0");
        setText("#most", "24");
        for (String message : List.of("What is a lock?", "And what is a page?")) {
            setText("#message", message + Browser.ENTER);
            browser.await("document.getElementById('stop').disabled &&"
                    + " document.getElementById('log').getAttribute('aria-busy') === 'false'");
        }
        JsonNode said =
                browser.run("return [...document.querySelectorAll('#log > div')].map(d => [d.firstChild.textContent,"
                        + " d.lastChild.textContent])");
        assertThat(said).hasSize(4);
        assertThat(said.get(2).get(1).asText()).isEqualTo("And what is a page?");
        assertThat(said.get(3).get(0).asText()).isEqualTo("Model");
        assertThat(said.get(1).get(1).asText()).isNotBlank();
        assertThat(browser.text("#speed")).matches("\\d+ tokens in [\\d.]+ s");
        picture("chat");
        press("#forget");
        assertThat(browser.run("return document.querySelectorAll('#log > div').length")
                        .asInt())
                .isZero();
    }

    @Test
    void whatIsWrongIsSaid() throws Exception {
        choose("tab-inside");
        setText("#look-text", "page ".repeat(100));
        press("#to-look button.main");
        browser.await("document.getElementById('trouble').textContent.includes('must have 1 to 96')");
        assertThat(browser.role("#trouble")).isEqualTo("alert");
    }

    @Test
    void textsAreTranslated() throws Exception {
        choose("tab-translate");
        press("#to-translate button.main");
        browser.await("document.getElementById('translation').textContent");
        assertThat(browser.text("#translation")).isEqualTo("我爱你\n二百零五");
        picture("translate");
    }

    @Test
    void textsAreCompared() throws Exception {
        choose("tab-similar");
        press("#to-embed button.main");
        browser.await("document.querySelector('#matrix table')");
        JsonNode cells = browser.run("return [...document.querySelectorAll('#matrix tr')].slice(1).map(r =>"
                + " [...r.querySelectorAll('td')].map(c => +c.textContent))");
        assertThat(cells).hasSize(3);
        for (int i = 0; i < 3; i++) {
            assertThat(cells.get(i).get(i).asDouble()).isEqualTo(1);
        }
        assertThat(cells.get(0).get(1).asDouble()) // the lock and the chamber
                .isEqualTo(cells.get(1).get(0).asDouble())
                .isGreaterThan(cells.get(0).get(2).asDouble() + 0.2);
        picture("similarity");
    }

    /** The numbers of the view that is shown, from the table below it; NaN where there is none. */
    private static double[][] numbers() throws IOException, InterruptedException {
        JsonNode rows = browser.run("return [...document.querySelectorAll('#numbers tr')].slice(1).map(r =>"
                + " [...r.querySelectorAll('td')].map(c => c.textContent))");
        double[][] numbers = new double[rows.size()][];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = new double[rows.get(i).size()];
            for (int j = 0; j < numbers[i].length; j++) {
                String text = rows.get(i).get(j).asText();
                numbers[i][j] = text.equals("hidden") ? Double.NaN : Double.parseDouble(text);
            }
        }
        return numbers;
    }

    /** Chooses what is shown above what is shown now. */
    private static void viewAbove(String view) throws IOException, InterruptedException {
        browser.tabTo("#view");
        browser.type(Browser.UP);
        browser.await("document.getElementById('view').value === '" + view + "'");
    }

    private static void look() throws IOException, InterruptedException {
        choose("tab-inside");
        press("#to-look button.main");
        browser.await("document.querySelectorAll('#heads [role=radio]').length");
        browser.tabTo("#numbers summary");
        browser.type(Browser.SPACE);
        browser.await("document.querySelector('#numbers table')");
    }

    @Test
    void attentionIsLookedInto() throws Exception {
        look();
        double[][] weights = numbers();
        int n = weights.length;
        viewAbove("masked");
        double[][] masked = numbers();
        picture("masked");
        viewAbove("scores");
        double[][] scores = numbers();
        viewAbove("keys");
        double[][] keys = numbers();
        viewAbove("queries");
        double[][] queries = numbers();
        picture("queries");
        for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int j = 0; j < n; j++) {
                assertThat(Double.isNaN(masked[i][j])).isEqualTo(j > i);
                assertThat(scores[i][j] == masked[i][j] || j > i).isTrue();
                assertThat(weights[i][j]).isBetween(0.0, j > i ? 0.0 : 1.0);
                sum += weights[i][j];
            }
            assertThat(sum).isBetween(1 - 1e-3 * n, 1 + 1e-3 * n);
        }
        // A score is a query by a key: all of them by the same scale.
        double[] products = {product(queries[0], keys[1]), product(queries[n - 1], keys[2])};
        double scale = 1 / Math.sqrt(keys[0].length);
        assertThat(Math.abs(products[0] * scale - scores[0][1])).isLessThan(0.05 + 0.01 * Math.abs(scores[0][1]));
        assertThat(Math.abs(products[1] * scale - scores[n - 1][2]))
                .isLessThan(0.05 + 0.01 * Math.abs(scores[n - 1][2]));
        viewAbove("positions");
        double[][] positions = numbers();
        assertThat(positions).hasNumberOfRows(n);
        assertThat(positions[0]).contains(1, 0); // cosines and sines of no angle
        assertThat(positions[1][0]).isEqualTo(0.540); // cos 1
        picture("positions");
    }

    private static double product(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void layersHeadsAndCellsAreChosenByKeys() throws Exception {
        look();
        browser.tabTo("#heads [aria-checked=true]");
        browser.type(Browser.RIGHT);
        browser.await("document.activeElement.getAttribute('aria-label') === 'Head 1'"
                + " && document.getElementById('cell').textContent.includes('head 1')");
        browser.tabTo("#map");
        browser.type(Browser.DOWN + Browser.DOWN + Browser.RIGHT);
        String cell = browser.text("#cell");
        assertThat(cell).matches("Layer 0, head 1\\. “.*” \\(2\\) looks at “.*” \\(1\\): [\\d.]+");
        assertThat(Double.parseDouble(cell.substring(cell.lastIndexOf(' ') + 1)))
                .isBetween(numbers()[2][1] - 6e-4, numbers()[2][1] + 6e-4);
        browser.type(Browser.END + Browser.HOME);
        assertThat(browser.text("#cell")).contains("(2) looks at", "(0): ");
        browser.tabTo("#layer");
        browser.type(Browser.UP + Browser.TAB);
        browser.await("document.getElementById('cell').textContent.startsWith('Layer 1, head 1')");
        assertThat(browser.name("#map")).startsWith("Heat map of layer 1, head 1");
    }

    @Test
    void operatorsAreTimed() throws Exception {
        look();
        JsonNode operators = browser.run(
                "return [...document.querySelectorAll('#times tbody th[scope=row]')].map(t => t.textContent)");
        assertThat(operators).extracting(JsonNode::asText).contains("Attention", "Linear", "Rope");
        JsonNode shares = browser.run("return [...document.querySelectorAll('#times tr')].slice(1).map(r =>"
                + " parseFloat(r.cells[5].textContent))");
        double sum = 0;
        for (JsonNode share : shares) {
            sum += share.asDouble();
        }
        assertThat(sum).isBetween(98.0, 102.0);
    }

    /** What a screen reader would say of whatever takes keys, and whether text stands out from what is behind it. */
    @ParameterizedTest
    @ValueSource(strings = {"light", "dark"})
    void everybodyCanReadIt(String scheme) throws Exception {
        browser.scheme(scheme);
        for (String tab : List.of("tab-chat", "tab-translate", "tab-similar", "tab-inside")) {
            choose(tab);
            if (tab.equals("tab-similar")) {
                press("#to-embed button.main");
                browser.await("document.querySelector('#matrix table')");
            } else if (tab.equals("tab-inside")) {
                press("#to-look button.main");
                browser.await("document.querySelectorAll('#heads [role=radio]').length");
                picture("attention-" + scheme);
            }
            JsonNode faint = browser.run(CONTRAST);
            assertThat(faint)
                    .as("text that is hard to read in %s, %s", tab, scheme)
                    .isEmpty();
            JsonNode ids =
                    browser.run("return [...document.querySelectorAll('button, input, select, textarea, [tabindex]')]"
                            + ".filter(e => e.checkVisibility())"
                            + ".map(e => e.id || (e.id = 'unnamed-' + (window.unnamed = (window.unnamed || 0) + 1)))");
            for (JsonNode id : ids) {
                assertThat(browser.name("#" + id.asText())).as(id.asText()).isNotBlank();
            }
        }
        JsonNode loaded =
                browser.run("return performance.getEntriesByType('resource').map(e => new URL(e.name).origin)");
        assertThat(loaded).extracting(JsonNode::asText).containsOnly(server.url(""));
    }

    /** Finds visible texts whose contrast is below WCAG's 4.5. */
    private static final String CONTRAST = """
        const rgba = c => { const n = c.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
        const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
        const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = e => e === null ? [255, 255, 255, 1] : over(rgba(getComputedStyle(e).backgroundColor), ground(e.parentElement));
        const faint = [];
        for (const e of document.querySelectorAll('body *')) {
            const text = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.value;
            if (!text || !e.checkVisibility() || e.disabled || ['SCRIPT', 'OPTION'].includes(e.tagName)) continue;
            const behind = ground(e);
            const [a, b] = [light(over(rgba(getComputedStyle(e).color), behind)), light(behind)];
            const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (ratio < 4.5) faint.push(e.outerHTML.slice(0, 80) + ': ' + ratio.toFixed(2));
        }
        return faint;
        """;

    private static void picture(String name) throws IOException, InterruptedException {
        browser.screenshot(PICTURES.resolve("page-" + name + ".png"));
    }
}
