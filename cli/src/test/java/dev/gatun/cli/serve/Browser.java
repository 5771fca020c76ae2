package dev.gatun.cli.serve;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A headless Chromium that knows no host but this machine, driven by W3C WebDriver. Paths come from tools/browser.sh. */
final class Browser implements AutoCloseable {
    /** Keys as WebDriver writes them. */
    static final String TAB = "\uE004";

    static final String ENTER = "\uE007";
    static final String SPACE = "\uE00D";
    static final String END = "\uE010";
    static final String HOME = "\uE011";
    static final String UP = "\uE013";
    static final String RIGHT = "\uE014";
    static final String DOWN = "\uE015";

    /** How long anything may take, on a machine that does other things as well. */
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    private static final int WIDTH = 1000;
    private static final Pattern PORT = Pattern.compile("started successfully on port (\\d+)");
    private static final String ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Process driver;
    private final HttpClient http = HttpClient.newHttpClient();
    private String session;

    private Browser(Process driver) throws IOException {
        this.driver = driver;
        var out = new BufferedReader(new InputStreamReader(driver.getInputStream(), UTF_8));
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            Matcher port = PORT.matcher(line);
            if (port.find()) {
                session = "http://127.0.0.1:" + port.group(1) + "/session";
                Thread.ofVirtual().start(() -> out.lines().forEach(_ -> {})); // or it would wait for a reader
                return;
            }
        }
        throw new IOException("chromedriver has ended before it listened");
    }

    /**
     * Starts one.
     *
     * @param profile an empty folder for what it writes
     */
    static Browser start(Path profile) throws IOException, InterruptedException {
        Process find = new ProcessBuilder("sh", "../tools/browser.sh")
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        List<String> paths =
                new String(find.getInputStream().readAllBytes(), UTF_8).lines().toList();
        if (find.waitFor() != 0 || paths.size() != 2) {
            throw new IOException("tools/browser.sh has failed; what it needs stands above");
        }
        Process driver = new ProcessBuilder(paths.getLast(), "--port=0")
                .redirectErrorStream(true)
                .start();
        try {
            var browser = new Browser(driver);
            browser.session += "/"
                    + browser.post("", capabilities(paths.getFirst(), profile))
                            .get("sessionId")
                            .asText();
            browser.post("/timeouts", JSON.createObjectNode().put("script", PATIENCE.toMillis()));
            return browser;
        } catch (Throwable e) {
            driver.destroyForcibly();
            throw e;
        }
    }

    private static ObjectNode capabilities(String chromium, Path profile) {
        ObjectNode root = JSON.createObjectNode();
        ObjectNode options =
                root.putObject("capabilities").putObject("alwaysMatch").putObject("goog:chromeOptions");
        options.put("binary", chromium);
        ArrayNode args = options.putArray("args");
        List.of(
                        "--headless",
                        "--no-sandbox", // which root cannot have
                        "--disable-gpu",
                        "--disable-dev-shm-usage", // containers have little of it
                        "--disable-quic",
                        "--no-first-run",
                        "--disable-background-networking",
                        "--disable-component-update",
                        "--disable-sync",
                        "--hide-scrollbars",
                        "--window-size=" + WIDTH + ",900",
                        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                        "--user-data-dir=" + profile)
                .forEach(args::add);
        return root;
    }

    private JsonNode post(String path, JsonNode body) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(URI.create(session + path)).POST(BodyPublishers.ofString(body.toString())));
    }

    private JsonNode get(String path) throws IOException, InterruptedException {
        return send(HttpRequest.newBuilder(URI.create(session + path)));
    }

    private JsonNode send(HttpRequest.Builder request) throws IOException, InterruptedException {
        HttpResponse<String> response = http.send(
                request.timeout(PATIENCE.plusSeconds(30))
                        .header("Content-Type", "application/json")
                        .build(),
                BodyHandlers.ofString());
        JsonNode value = JSON.readTree(response.body()).get("value");
        if (response.statusCode() != 200) {
            throw new AssertionError("WebDriver: " + value.path("error").asText() + ": "
                    + value.path("message").asText());
        }
        return value;
    }

    /** Shows a page, and waits until it is loaded. */
    void open(String url) throws IOException, InterruptedException {
        post("/url", JSON.createObjectNode().put("url", url));
    }

    /** Runs the body of a function in the page. */
    JsonNode run(String script, Object... args) throws IOException, InterruptedException {
        return script("/execute/sync", script, args);
    }

    private JsonNode script(String path, String script, Object... args) throws IOException, InterruptedException {
        ObjectNode body = JSON.createObjectNode().put("script", script);
        ArrayNode array = body.putArray("args");
        for (Object arg : args) {
            array.add(JSON.<JsonNode>valueToTree(arg));
        }
        return post(path, body);
    }

    /** Waits until an expression is true in the page. */
    void await(String condition) throws IOException, InterruptedException {
        try {
            script(
                    "/execute/async",
                    "const done = arguments[0]; (function look() { if (" + condition
                            + ") done(true); else setTimeout(look, 10); })();");
        } catch (AssertionError e) {
            throw new AssertionError(
                    "never: " + condition + "; the page says: "
                            + run("return document.body.innerText").asText(),
                    e);
        }
    }

    /** The only element that a selector finds, as WebDriver names it. */
    private String element(String css) throws IOException, InterruptedException {
        return post(
                        "/element",
                        JSON.createObjectNode().put("using", "css selector").put("value", css))
                .get(ELEMENT)
                .asText();
    }

    /** The name that a screen reader says of an element. */
    String name(String css) throws IOException, InterruptedException {
        return get("/element/" + element(css) + "/computedlabel").asText();
    }

    /** What a screen reader says that an element is. */
    String role(String css) throws IOException, InterruptedException {
        return get("/element/" + element(css) + "/computedrole").asText();
    }

    /** What an element shows. */
    String text(String css) throws IOException, InterruptedException {
        return get("/element/" + element(css) + "/text").asText();
    }

    /** Presses keys one after another, whoever has the focus. */
    void type(String keys) throws IOException, InterruptedException {
        ObjectNode body = JSON.createObjectNode();
        ObjectNode keyboard = body.putArray("actions").addObject();
        keyboard.put("type", "key").put("id", "keyboard");
        ArrayNode actions = keyboard.putArray("actions");
        keys.codePoints().mapToObj(Character::toString).forEach(key -> {
            actions.addObject().put("type", "keyDown").put("value", key);
            actions.addObject().put("type", "keyUp").put("value", key);
        });
        post("/actions", body);
    }

    /** Goes on by the tab key until an element has the focus. */
    void tabTo(String css) throws IOException, InterruptedException {
        for (int i = 0; i < 60; i++) {
            if (run("return document.activeElement === document.querySelector(arguments[0])", css)
                    .asBoolean()) {
                return;
            }
            type(TAB);
        }
        throw new AssertionError("the tab key does not lead to " + css);
    }

    /** Lets the page be light or dark. */
    void scheme(String lightOrDark) throws IOException, InterruptedException {
        ObjectNode body = JSON.createObjectNode().put("cmd", "Emulation.setEmulatedMedia");
        body.putObject("params")
                .putArray("features")
                .addObject()
                .put("name", "prefers-color-scheme")
                .put("value", lightOrDark);
        post("/goog/cdp/execute", body);
    }

    /** A picture of all the page. */
    void screenshot(Path file) throws IOException, InterruptedException {
        ObjectNode body = JSON.createObjectNode().put("cmd", "Page.captureScreenshot");
        ObjectNode params = body.putObject("params").put("captureBeyondViewport", true);
        JsonNode height = run("return document.documentElement.scrollHeight");
        params.putObject("clip")
                .put("x", 0)
                .put("y", 0)
                .put("scale", 1)
                .put("width", WIDTH)
                .set("height", height);
        Files.createDirectories(file.toAbsolutePath().getParent());
        Files.write(
                file,
                Base64.getDecoder()
                        .decode(post("/goog/cdp/execute", body).get("data").asText()));
    }

    @Override
    public void close() throws IOException {
        try {
            send(HttpRequest.newBuilder(URI.create(session)).DELETE());
            http.close();
            driver.destroy();
            driver.waitFor(20, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            driver.destroyForcibly();
        }
    }
}
