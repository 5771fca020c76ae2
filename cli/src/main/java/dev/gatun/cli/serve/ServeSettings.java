package dev.gatun.cli.serve;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How models are served.
 *
 * @param host the name or address to listen at
 * @param port there; 0 for any that is free
 * @param keys one of which a client has to show; if there are none, anybody is served
 * @param maxBody bytes of a request's body
 * @param maxConnections at a time
 * @param idle how long a connection may be silent, or not take what is written to it
 * @param queue how long a request may wait for its turn
 * @param request how long it may take in all
 * @param heartbeat how often a client that waits for a text has a sign of life; one that is gone shows by it
 */
public record ServeSettings(
        String host,
        int port,
        List<String> keys,
        int maxBody,
        int maxConnections,
        Duration idle,
        Duration queue,
        Duration request,
        Duration heartbeat) {
    /** At this machine's own address, for anybody on it. */
    public static final ServeSettings DEFAULT = new ServeSettings(
            "127.0.0.1",
            8080,
            List.of(),
            8 << 20,
            1000,
            Duration.ofSeconds(30),
            Duration.ofSeconds(60),
            Duration.ofMinutes(10),
            Duration.ofSeconds(1));

    /** Copies. */
    public ServeSettings {
        keys = List.copyOf(keys);
    }

    /** These settings at another place. */
    public ServeSettings at(String newHost, int newPort) {
        return new ServeSettings(newHost, newPort, keys, maxBody, maxConnections, idle, queue, request, heartbeat);
    }

    /** These settings with keys. */
    public ServeSettings withKeys(List<String> newKeys) {
        return new ServeSettings(host, port, newKeys, maxBody, maxConnections, idle, queue, request, heartbeat);
    }

    /** These settings with other times; null leaves one as it is. */
    public ServeSettings withTimes(
            @Nullable Duration newIdle,
            @Nullable Duration newQueue,
            @Nullable Duration newRequest,
            @Nullable Duration newHeartbeat) {
        return new ServeSettings(
                host,
                port,
                keys,
                maxBody,
                maxConnections,
                newIdle == null ? idle : newIdle,
                newQueue == null ? queue : newQueue,
                newRequest == null ? request : newRequest,
                newHeartbeat == null ? heartbeat : newHeartbeat);
    }

    /** These settings with other limits. */
    public ServeSettings withLimits(int newMaxBody, int newMaxConnections) {
        return new ServeSettings(host, port, keys, newMaxBody, newMaxConnections, idle, queue, request, heartbeat);
    }
}
