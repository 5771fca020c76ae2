package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.jspecify.annotations.Nullable;

/** Finds who answers a request, lets in who may ask, and turns what goes wrong into an answer. Runs on virtual threads, which block. */
final class Router extends Handler.Abstract {
    /** Answers one kind of request. */
    private interface Route {
        void handle(Exchange exchange) throws Exception;
    }

    private static final System.Logger LOG = System.getLogger("dev.gatun.cli.serve");
    private static final Set<String> OPEN_TO_ALL = Set.of("/health", "/ready", "/");
    private static final Set<String> LOCAL_NAMES = Set.of("localhost", "127.0.0.1", "[::1]", "::1");
    private static final String MODEL = "/v1/models/";

    private final ServeSettings settings;
    private final ServedModels models;
    private final Meters meters;
    private final List<byte[]> keys = new ArrayList<>();
    private final Map<String, Route> gets;
    private final Map<String, Route> posts;
    private final AtomicInteger underWay = new AtomicInteger();
    private final long created = System.currentTimeMillis() / 1000;
    private volatile boolean draining;

    Router(ServeSettings settings, ServedModels models, Meters meters) {
        this.settings = settings;
        this.models = models;
        this.meters = meters;
        settings.keys().forEach(key -> keys.add(hash(key)));
        gets = Map.of(
                "/", this::page,
                "/health", exchange -> exchange.json(200, Json.object().put("status", "ok")),
                "/ready", this::ready,
                "/metrics", this::metrics,
                "/v1/models", this::models);
        var rerank = new RerankApi(models);
        posts = Map.of(
                "/v1/chat/completions",
                new ChatApi(models)::handle,
                "/v1/completions",
                new CompletionsApi(models)::handle,
                "/v1/embeddings",
                new VectorsApi(models)::handle,
                "/v1/rerank",
                rerank::handle,
                "/v2/rerank",
                rerank::handle,
                "/rerank",
                rerank::handle,
                "/translate",
                new TranslateApi(models)::handle,
                "/attention",
                new AttentionApi(models)::handle);
    }

    private static byte[] hash(String key) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) { // every JDK has it
            throw new IllegalStateException(e);
        }
    }

    /** Takes no more requests that are work, but says so. */
    void drain() {
        draining = true;
    }

    /** Requests that are being answered. */
    int underWay() {
        return underWay.get();
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        var exchange = new Exchange(request, response, settings);
        String path = Request.getPathInContext(request);
        boolean known = gets.containsKey(path) || posts.containsKey(path);
        long start = System.nanoTime();
        underWay.incrementAndGet();
        Throwable failure = null;
        try {
            find(request, path).handle(exchange);
        } catch (Throwable e) { // an error of one request is not one of the others
            failure = answer(exchange, path, e);
        } finally {
            underWay.decrementAndGet();
        }
        meters.request(known ? path : "other", failure == null ? exchange.status() : 499, System.nanoTime() - start);
        if (failure == null) {
            callback.succeeded();
        } else {
            callback.failed(failure);
        }
        return true;
    }

    /** Tells the client; what cannot be told is returned, and ends the connection. */
    private static @Nullable Throwable answer(Exchange exchange, String path, Throwable thrown) {
        ApiException error = Errors.known(thrown);
        if (error == null) {
            if (thrown instanceof IOException) { // the client is gone
                return thrown;
            }
            if (thrown instanceof InterruptedException
                    || thrown instanceof IllegalStateException
                            && String.valueOf(thrown.getMessage()).contains("the engine ends")) {
                error = ApiException.busy(503, 1, "the server ends");
            } else {
                LOG.log(System.Logger.Level.ERROR, path + ": " + thrown, thrown);
                error = ApiException.internal(thrown);
            }
        }
        if (exchange.begun()) {
            return thrown;
        }
        try {
            if (error.retrySeconds() > 0) {
                exchange.header("Retry-After", Integer.toString(error.retrySeconds()));
            }
            exchange.json(error.status(), Errors.json(error));
            return null;
        } catch (IOException e) {
            return e;
        }
    }

    private Route find(Request request, String path) {
        String method = request.getMethod();
        checkHost(request);
        if (!OPEN_TO_ALL.contains(path)) {
            checkKey(request);
        }
        if (path.startsWith(MODEL) && method.equals("GET")) {
            return exchange -> model(exchange, path.substring(MODEL.length()));
        }
        Route get = gets.get(path);
        Route post = posts.get(path);
        if (get == null && post == null) {
            throw ApiException.of(404, "not_found", "nothing is at " + path);
        }
        Route route = method.equals("GET") ? get : method.equals("POST") ? post : null;
        if (route == null) {
            throw ApiException.of(405, "method_not_allowed", path + " takes " + (get == null ? "POST" : "GET"));
        }
        if (draining && post != null) {
            throw ApiException.busy(503, 5, "the server ends");
        }
        return route;
    }

    /** A page of another site that a browser on this machine shows could have its name lead here; it would still ask by its name. */
    private void checkHost(Request request) {
        if (LOCAL_NAMES.contains(settings.host())) {
            String host = String.valueOf(Request.getServerName(request)).toLowerCase(Locale.ROOT);
            if (!LOCAL_NAMES.contains(host)) {
                throw ApiException.of(403, "wrong_host", "this server is asked for as localhost");
            }
        }
    }

    private void checkKey(Request request) {
        if (keys.isEmpty()) {
            return;
        }
        String authorization = request.getHeaders().get(HttpHeader.AUTHORIZATION);
        String key = authorization != null && authorization.regionMatches(true, 0, "Bearer ", 0, 7)
                ? authorization.substring(7).strip()
                : request.getHeaders().get("x-api-key");
        byte[] hash = hash(key == null ? "" : key);
        boolean right = false;
        for (byte[] known : keys) {
            right |= MessageDigest.isEqual(known, hash);
        }
        if (key == null || !right) {
            throw ApiException.of(
                    401,
                    "invalid_api_key",
                    key == null ? "no API key: send Authorization: Bearer KEY" : "wrong API key");
        }
    }

    private void ready(Exchange exchange) throws IOException {
        exchange.json(draining ? 503 : 200, Json.object().put("status", draining ? "draining" : "ready"));
    }

    private void metrics(Exchange exchange) throws IOException {
        exchange.bytes(
                200, "text/plain; version=0.0.4; charset=utf-8", meters.scrape().getBytes(StandardCharsets.UTF_8));
    }

    private void models(Exchange exchange) throws IOException {
        ObjectNode root = Json.object();
        root.put("object", "list");
        ArrayNode data = root.putArray("data");
        models.all().forEach(model -> data.add(describe(model)));
        exchange.json(200, root);
    }

    private void model(Exchange exchange, String name) throws IOException {
        ServedModel model = models.get(name);
        if (model == null) {
            throw ApiException.of(404, "model_not_found", "no model \"" + name + "\"");
        }
        exchange.json(200, describe(model));
    }

    private ObjectNode describe(ServedModel model) {
        ObjectNode node = Json.object();
        node.put("id", model.name());
        node.put("object", "model");
        node.put("created", created);
        node.put("owned_by", "gatun");
        node.put("task", model.kind());
        if (model instanceof ServedModel.Texts texts) {
            node.put("max_model_len", texts.engine().size().nCtx());
        }
        return node;
    }

    private void page(Exchange exchange) throws IOException {
        try (InputStream in = Router.class.getResourceAsStream("index.html")) {
            if (in == null) {
                throw ApiException.of(404, "not_found", "the page is not in the jar");
            }
            // The page is one file: nothing of another origin may run in it, or take what it shows.
            exchange.header(
                    "Content-Security-Policy",
                    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:;"
                            + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
            exchange.header("X-Content-Type-Options", "nosniff");
            exchange.bytes(200, "text/html; charset=utf-8", in.readAllBytes());
        }
    }
}
