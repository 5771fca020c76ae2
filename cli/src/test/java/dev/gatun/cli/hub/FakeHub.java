package dev.gatun.cli.hub;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.Executors;

/**
 * A Hub on this machine with one model, {@code org/name}, whose large files are on another server; each request can be made to go
 * wrong in its own way.
 */
public final class FakeHub implements AutoCloseable {
    /** The commit of the model. */
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    /** One thing that goes wrong, with one request. */
    interface Fault {
        /** Answers, or returns false to let the request go its way. */
        boolean answer(HttpExchange exchange, byte[] bytes) throws IOException;
    }

    private record Stored(byte[] bytes, boolean large) {}

    private final HttpServer hub;
    private final HttpServer store;
    private final Map<String, Stored> files = new LinkedHashMap<>();
    private final List<String> listed = new ArrayList<>(); // and not there
    private final Map<String, Deque<Fault>> faults = new ConcurrentHashMap<>();
    private final Map<String, String> etags = new ConcurrentHashMap<>(); // lies
    private final Map<String, Long> sizes = new ConcurrentHashMap<>(); // lies
    private final List<String> requests = Collections.synchronizedList(new ArrayList<>());
    private String commit = COMMIT;

    /** Starts two servers on the loopback interface. */
    public FakeHub() throws IOException {
        hub = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        store = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        for (HttpServer server : List.of(hub, store)) {
            server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
            server.createContext("/", this::handle);
            server.start();
        }
    }

    /** Where it is. */
    public URI endpoint() {
        return address(hub);
    }

    private static URI address(HttpServer server) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /** A file that git keeps itself. */
    public FakeHub small(String path, byte[] bytes) {
        files.put(path, new Stored(bytes, false));
        return this;
    }

    FakeHub small(String path, String text) {
        return small(path, text.getBytes(StandardCharsets.UTF_8));
    }

    /** A file that is on the other server. */
    public FakeHub large(String path, byte[] bytes) {
        files.put(path, new Stored(bytes, true));
        return this;
    }

    /** A file that is in the listing only. */
    FakeHub listed(String path) {
        listed.add(path);
        return this;
    }

    FakeHub commit(String sha) {
        commit = sha;
        return this;
    }

    /** Says a wrong hash. */
    FakeHub etag(String path, String etag) {
        etags.put(path, etag);
        return this;
    }

    /** Says a wrong length when it describes a file. */
    FakeHub size(String path, long size) {
        sizes.put(path, size);
        return this;
    }

    /** What goes wrong with the next requests whose method and path end so, one after the other. */
    FakeHub fault(String method, String end, Fault... those) {
        faults.computeIfAbsent(method + " " + end, _ -> new ConcurrentLinkedDeque<>())
                .addAll(Arrays.asList(those));
        return this;
    }

    /** Requests so far: "hub" or "store", method, path, and "Range" or "token" where there was one. */
    List<String> requests() {
        synchronized (requests) {
            return List.copyOf(requests);
        }
    }

    /** Forgets requests so far, and faults that nobody has met. */
    void forget() {
        requests.clear();
        faults.clear();
    }

    /** Answers with this status and these headers. */
    static Fault status(int status, String... headers) {
        return (exchange, _) -> {
            for (int i = 0; i < headers.length; i += 2) {
                exchange.getResponseHeaders().set(headers[i], headers[i + 1]);
            }
            exchange.sendResponseHeaders(status, -1);
            exchange.close();
            return true;
        };
    }

    /** Sends so many bytes of what was asked for and hangs up. */
    static Fault dropAfter(int sent) {
        return (exchange, bytes) -> {
            int from = start(exchange);
            head(exchange, bytes, from, bytes.length - from);
            write(exchange, bytes, from, Math.min(bytes.length, from + sent));
            return true;
        };
    }

    /** Sends all bytes, whatever range was asked for. */
    static Fault wholeFile() {
        return (exchange, bytes) -> {
            exchange.sendResponseHeaders(200, bytes.length);
            write(exchange, bytes, 0, bytes.length);
            return true;
        };
    }

    /** Sends other bytes under the same headers; without a length if there are more or fewer of them. */
    static Fault otherBytes(byte[] others) {
        return (exchange, bytes) -> {
            exchange.sendResponseHeaders(200, others.length == bytes.length ? bytes.length : 0);
            write(exchange, others, 0, others.length);
            return true;
        };
    }

    /** Announces another length than there is. */
    static Fault announce(long length) {
        return (exchange, bytes) -> {
            exchange.sendResponseHeaders(200, length);
            write(exchange, bytes, 0, (int) Math.min(bytes.length, length));
            return true;
        };
    }

    private static int start(HttpExchange exchange) {
        String range = exchange.getRequestHeaders().getFirst("Range");
        return range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
    }

    private static void head(HttpExchange exchange, byte[] bytes, int from, int length) throws IOException {
        if (from > 0) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (bytes.length - 1) + "/" + bytes.length);
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, length == 0 ? -1 : length);
    }

    private static void write(HttpExchange exchange, byte[] bytes, int from, int to) throws IOException {
        try (exchange) {
            OutputStream out = exchange.getResponseBody();
            out.write(bytes, from, to - from);
            out.flush();
        }
    }

    /** As the Hub does: of small files git's SHA-1, of large ones the SHA-256. */
    static String hash(byte[] bytes, boolean large) {
        try {
            MessageDigest digest = MessageDigest.getInstance(large ? "SHA-256" : "SHA-1");
            if (!large) {
                digest.update(("blob " + bytes.length + "\0").getBytes(StandardCharsets.US_ASCII));
            }
            return HexFormat.of().formatHex(digest.digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private void handle(HttpExchange exchange) throws IOException {
        boolean atHub = exchange.getLocalAddress().getPort() == hub.getAddress().getPort();
        String method = exchange.getRequestMethod();
        String path = exchange.getRequestURI().getPath();
        String range = exchange.getRequestHeaders().getFirst("Range");
        String token = exchange.getRequestHeaders().getFirst("Authorization");
        requests.add((atHub ? "hub " : "store ") + method + " " + path + (range == null ? "" : " " + range)
                + (token == null ? "" : " token"));
        String name = path.replaceFirst("^/(org/name/resolve/[^/]*|store)/", "");
        Stored file = files.get(name);
        byte[] bytes = file == null ? new byte[0] : file.bytes;
        for (Map.Entry<String, Deque<Fault>> entry : faults.entrySet()) {
            if (matches(entry.getKey(), method, path)) {
                Fault fault = entry.getValue().poll();
                if (fault != null && fault.answer(exchange, bytes)) {
                    return;
                }
            }
        }
        if (path.startsWith("/api/models/org/name/revision/")) {
            listing(exchange);
        } else if (file == null) {
            status(404, "X-Error-Code", "EntryNotFound").answer(exchange, bytes);
        } else if (method.equals("HEAD")) {
            describe(exchange, name, file);
        } else if (atHub && file.large) {
            status(302, "Location", address(store) + "/store/" + name.replace(" ", "%20"))
                    .answer(exchange, bytes);
        } else {
            int from = start(exchange);
            head(exchange, bytes, from, bytes.length - from);
            write(exchange, bytes, from, bytes.length);
        }
    }

    private static boolean matches(String key, String method, String path) {
        int space = key.indexOf(' ');
        return key.substring(0, space).equals(method) && path.endsWith(key.substring(space + 1));
    }

    private void listing(HttpExchange exchange) throws IOException {
        List<String> all = new ArrayList<>(files.keySet());
        all.addAll(listed);
        String siblings = String.join(
                ",",
                all.stream()
                        .map(path ->
                                "{\"rfilename\":\"" + path.replace("\\", "\\\\").replace("\n", "\\n") + "\"}")
                        .toList());
        byte[] json = ("{\"id\":\"org/name\",\"sha\":\"" + commit + "\",\"siblings\":[" + siblings + "]}")
                .getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, json.length);
        write(exchange, json, 0, json.length);
    }

    private void describe(HttpExchange exchange, String name, Stored file) throws IOException {
        var headers = exchange.getResponseHeaders();
        String etag = etags.getOrDefault(name, "\"" + hash(file.bytes, file.large) + "\"");
        long size = sizes.getOrDefault(name, (long) file.bytes.length);
        headers.set("X-Repo-Commit", commit);
        if (file.large) {
            headers.set("ETag", "\"of-the-redirection\"");
            headers.set("X-Linked-Etag", etag);
            headers.set("X-Linked-Size", Long.toString(size));
            headers.set("Location", address(store) + "/store/" + name);
            exchange.sendResponseHeaders(302, -1);
        } else {
            if (!etag.isEmpty()) {
                headers.set("ETag", etag);
            }
            headers.set("Content-Length", Long.toString(size));
            exchange.sendResponseHeaders(200, -1);
        }
        exchange.close();
    }

    @Override
    public void close() {
        hub.stop(0);
        store.stop(0);
    }

    /** Some faults, one after the other, for a loop. */
    static Fault[] times(int n, Fault fault) {
        Fault[] all = new Fault[n];
        Arrays.fill(all, fault);
        return all;
    }

    /** Pseudo-random bytes. */
    static byte[] bytes(int n, long seed) {
        byte[] bytes = new byte[n];
        new java.util.Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** No faults are left. */
    boolean isDone() {
        return faults.values().stream().allMatch(Deque::isEmpty);
    }
}
