package dev.gatun.cli.serve;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.VirtualThreads;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/**
 * Serves models over HTTP/1.1. Requests run on virtual threads, one each. The models stay open: whoever opened them closes them,
 * after this.
 */
public final class ApiServer implements AutoCloseable {
    private static final int MAX_HEADERS = 16 << 10;

    /** Threads that wait for connections and bytes; what takes longer is on virtual ones. */
    private static final int THREADS = 16;

    private final Server server;
    private final ServerConnector connector;
    private final Router router;

    private ApiServer(Server server, ServerConnector connector, Router router) {
        this.server = server;
        this.connector = connector;
        this.router = router;
    }

    /**
     * Starts to listen.
     *
     * @param models under different names
     * @throws IOException if it cannot listen there
     */
    public static ApiServer start(ServeSettings settings, List<ServedModel> models, Meters meters) throws IOException {
        var threads = new QueuedThreadPool(THREADS, 2);
        threads.setName("gatun-http");
        threads.setDaemon(true);
        threads.setVirtualThreadsExecutor(VirtualThreads.getNamedVirtualThreadsExecutor("gatun-http-virtual-"));
        var http = new HttpConfiguration();
        http.setSendServerVersion(false);
        http.setRequestHeaderSize(MAX_HEADERS);
        http.setIdleTimeout(settings.idle().toMillis());
        var server = new Server(threads);
        var connector = new ServerConnector(server, 1, 1, new HttpConnectionFactory(http));
        connector.setHost(settings.host());
        connector.setPort(settings.port());
        connector.setIdleTimeout(settings.idle().toMillis());
        connector.setAcceptQueueSize(1024);
        server.addConnector(connector);
        server.addBean(new NetworkConnectionLimit(settings.maxConnections(), connector));
        server.setErrorHandler(new JsonErrors());
        models.forEach(meters::watch);
        var router = new Router(settings, new ServedModels(models), meters);
        server.setHandler(router);
        try {
            server.start();
        } catch (Exception e) {
            stop(server);
            throw new IOException(
                    "cannot listen at " + settings.host() + ":" + settings.port() + ": " + e.getMessage(), e);
        }
        return new ApiServer(server, connector, router);
    }

    /** Where it listens. */
    public int port() {
        return connector.getLocalPort();
    }

    /**
     * Refuses new work, while it still says that it is alive and not ready, and waits for requests under way, so long at most.
     *
     * @return whether all of them have been answered
     */
    public boolean drain(Duration atMost) throws InterruptedException {
        router.drain();
        long deadline = System.nanoTime() + atMost.toNanos();
        while (router.underWay() > 0) {
            if (System.nanoTime() > deadline) {
                return false;
            }
            Thread.sleep(20);
        }
        return true;
    }

    /** Closes all connections. */
    @Override
    public void close() {
        stop(server);
    }

    private static void stop(Server server) {
        try {
            server.stop();
        } catch (Exception e) {
            throw new IllegalStateException("the HTTP server does not stop: " + e.getMessage(), e);
        }
    }

    /** Requests that are no HTTP are told so in JSON as well. */
    private static final class JsonErrors extends ErrorHandler {
        private static byte[] body(int status, String message) {
            try {
                return Json.bytes(Errors.json(ApiException.of(status, "bad_request", message)));
            } catch (IOException e) {
                return new byte[0];
            }
        }

        @Override
        public boolean handle(Request request, Response response, Callback callback) {
            int status = response.getStatus();
            byte[] body = body(status, HttpStatus.getMessage(status));
            response.getHeaders().put(HttpHeader.CONTENT_TYPE, "application/json");
            response.getHeaders().put(HttpHeader.CONTENT_LENGTH, body.length);
            response.write(true, ByteBuffer.wrap(body), callback);
            return true;
        }
    }
}
