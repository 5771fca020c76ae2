package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;

/** A request and its answer, as JSON or as a stream of events. An IOException is a client that is gone, or too slow. */
final class Exchange {
    private static final byte[] DATA = "data: ".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] END = "\n\n".getBytes(StandardCharsets.US_ASCII);
    private static final String JSON = "application/json";

    private final Request request;
    private final Response response;
    private final ServeSettings settings;
    private boolean begun;

    Exchange(Request request, Response response, ServeSettings settings) {
        this.request = request;
        this.response = response;
        this.settings = settings;
    }

    ServeSettings settings() {
        return settings;
    }

    /**
     * The object that the client has sent.
     *
     * @throws ApiException if it is none, is too large, or takes too long to come
     */
    Fields body() throws IOException {
        String type = request.getHeaders().get(HttpHeader.CONTENT_TYPE);
        // A page of another site may send forms and plain text, but has to ask before it sends JSON; nobody tells it
        // yes.
        if (type == null || !type.toLowerCase(Locale.ROOT).startsWith(JSON)) {
            throw ApiException.of(415, "unsupported_media_type", "Content-Type must be " + JSON);
        }
        if (request.getLength() > settings.maxBody()) {
            throw tooLarge();
        }
        var bytes = new ByteArrayOutputStream();
        byte[] buffer = new byte[1 << 14];
        long deadline = System.nanoTime() + settings.idle().toNanos();
        try (InputStream in = Content.Source.asInputStream(request)) {
            for (int n; (n = in.read(buffer)) >= 0; ) {
                bytes.write(buffer, 0, n);
                if (bytes.size() > settings.maxBody()) {
                    throw tooLarge();
                }
                if (System.nanoTime() > deadline) {
                    throw tooSlow();
                }
            }
        } catch (IOException e) {
            if (e.getCause() instanceof TimeoutException) {
                throw tooSlow();
            }
            throw e;
        }
        return new Fields(Json.object(bytes.toByteArray()));
    }

    private ApiException tooLarge() {
        return ApiException.of(
                413, "body_too_large", "the body is larger than the " + settings.maxBody() + " bytes that are allowed");
    }

    private ApiException tooSlow() {
        return ApiException.of(
                408,
                "timeout",
                "the body did not come within " + settings.idle().toSeconds() + " s");
    }

    /** Whether the status has been sent: an error cannot be told any more. */
    boolean begun() {
        return begun;
    }

    int status() {
        return response.getStatus();
    }

    /** The whole answer. */
    void json(int status, JsonNode node) throws IOException {
        bytes(status, JSON, Json.bytes(node));
    }

    /** The whole answer, in any format. */
    void bytes(int status, String type, byte[] bytes) throws IOException {
        if (!begun) {
            response.setStatus(status);
            response.getHeaders().put(HttpHeader.CONTENT_TYPE, type);
            response.getHeaders().put(HttpHeader.CONTENT_LENGTH, bytes.length);
        }
        begun = true;
        write(true, bytes);
    }

    void header(String name, String value) {
        response.getHeaders().put(name, value);
    }

    /** Begins an answer of JSON that is not there yet, with white space: shows whether anybody waits. */
    void waitWithJson() throws IOException {
        begin(JSON);
        write(false, "\n".getBytes(StandardCharsets.US_ASCII));
    }

    /** Begins a stream of events. */
    void beginEvents() {
        begin("text/event-stream; charset=utf-8");
        response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-cache");
        response.getHeaders().put("X-Accel-Buffering", "no"); // nginx would gather what is to be seen at once
    }

    private void begin(String type) {
        if (!begun) {
            begun = true;
            response.setStatus(200);
            response.getHeaders().put(HttpHeader.CONTENT_TYPE, type);
        }
    }

    /** A comment in a stream of events, which clients leave out. */
    void waitWithEvents() throws IOException {
        write(false, ": \n\n".getBytes(StandardCharsets.US_ASCII));
    }

    /** Events in one write. */
    void events(Iterable<ObjectNode> nodes) throws IOException {
        var bytes = new ByteArrayOutputStream();
        for (ObjectNode node : nodes) {
            bytes.write(DATA);
            bytes.write(Json.bytes(node));
            bytes.write(END);
        }
        if (bytes.size() > 0) {
            write(false, bytes.toByteArray());
        }
    }

    /** Ends a stream of events. */
    void endEvents() throws IOException {
        write(true, "data: [DONE]\n\n".getBytes(StandardCharsets.US_ASCII));
    }

    private void write(boolean last, byte[] bytes) throws IOException {
        Content.Sink.write(response, last, ByteBuffer.wrap(bytes));
    }
}
