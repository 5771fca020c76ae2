package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.TextAnswer.Finished;
import dev.gatun.cli.serve.engine.GeneratedText;
import dev.gatun.cli.serve.engine.GeneratedText.EngineFailure;
import dev.gatun.cli.serve.engine.GeneratedText.Part;
import dev.gatun.cli.serve.engine.GeneratedText.Token;
import dev.gatun.cli.serve.engine.TextEngine;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Has texts generated and answers with them, at once or as they come. Whatever ends it, no text is worked on afterwards. */
final class TextRun {
    private static final Duration SEVERAL = Duration.ofMillis(10); // a look at each of several texts

    private final Exchange exchange;
    private final TextOptions options;
    private final TextAnswer answer;
    private final List<GeneratedText> texts = new ArrayList<>();
    private final List<List<Token>> tokens = new ArrayList<>();
    private final @Nullable Finished[] finished;
    private final long deadline;

    private TextRun(Exchange exchange, TextOptions options, TextAnswer answer, int texts) {
        this.exchange = exchange;
        this.options = options;
        this.answer = answer;
        finished = new Finished[texts];
        deadline = System.nanoTime() + exchange.settings().request().toNanos();
    }

    /** Does it for each of some prompts, each with as many texts as the options ask for. */
    static void run(Exchange exchange, TextEngine engine, List<int[]> prompts, TextOptions options, TextAnswer answer)
            throws IOException, InterruptedException {
        var run = new TextRun(exchange, options, answer, prompts.size() * options.choices());
        try {
            for (int[] prompt : prompts) {
                for (int i = 0; i < options.choices(); i++) {
                    run.texts.add(engine.submit(prompt, options.settings(i), options.alternatives()));
                    run.tokens.add(new ArrayList<>());
                }
            }
            run.awaitStart();
            if (options.stream()) {
                run.stream();
            } else {
                run.whole();
            }
        } finally {
            run.texts.forEach(GeneratedText::cancel);
        }
    }

    private void awaitStart() throws InterruptedException {
        Duration queue = exchange.settings().queue();
        if (!texts.getFirst().awaitStart(queue.toNanos())) {
            throw ApiException.busy(503, 5, "no turn within " + queue.toSeconds() + " s: too much to do");
        }
    }

    private Usage usage() {
        int prompt = 0;
        int known = 0;
        int written = 0;
        for (int i = 0; i < texts.size(); i++) {
            Finished text = finished[i];
            if (text != null) {
                // A prompt counts once, however many texts go on from it.
                prompt += i % options.choices() == 0 ? text.result().promptTokens() : 0;
                known += i % options.choices() == 0 ? texts.get(i).knownTokens() : 0;
                written += text.result().ids().length;
            }
        }
        return new Usage(prompt, known, written);
    }

    /** What there is of a text after some waiting; null if there is nothing. */
    private @Nullable Part next(int i, long nanos) throws InterruptedException {
        if (System.nanoTime() > deadline) {
            throw ApiException.of(
                    504,
                    "timeout",
                    "not done within " + exchange.settings().request().toSeconds() + " s");
        }
        Part part = texts.get(i).next(nanos);
        if (part != null) {
            tokens.get(i).addAll(part.tokens());
            if (part.result() != null) {
                finished[i] = new Finished(part.result(), tokens.get(i));
            }
        }
        return part;
    }

    private void whole() throws IOException, InterruptedException {
        long beat = exchange.settings().heartbeat().toNanos();
        List<Finished> all = new ArrayList<>();
        long lastBeat = System.nanoTime();
        for (int i = 0; i < texts.size(); i++) {
            Finished text = finished[i];
            for (; text == null; text = finished[i]) {
                next(i, beat);
                long now = System.nanoTime();
                if (now - lastBeat >= beat && finished[i] == null) {
                    exchange.waitWithJson();
                    lastBeat = now;
                }
            }
            all.add(text);
        }
        ObjectNode node = answer.whole(all);
        node.set("usage", usage().json());
        exchange.json(200, node);
    }

    private void stream() throws IOException, InterruptedException {
        exchange.beginEvents();
        try {
            events();
        } catch (EngineFailure | ApiException e) { // the status is gone; the error comes as an event
            ApiException error = e instanceof ApiException api ? api : ApiException.internal(e);
            exchange.events(List.of(Errors.json(error)));
            exchange.endEvents();
            return;
        }
        if (options.usage()) {
            ObjectNode last = answer.empty();
            last.set("usage", usage().json());
            exchange.events(List.of(last));
        }
        exchange.endEvents();
    }

    private void events() throws IOException, InterruptedException {
        int n = texts.size();
        for (int i = 0; i < n; i++) {
            exchange.events(answer.first(i));
        }
        long beat = exchange.settings().heartbeat().toNanos();
        long lastWrite = System.nanoTime();
        for (int left = n; left > 0; ) {
            for (int i = 0; i < n; i++) {
                if (finished[i] != null) {
                    continue;
                }
                Part part = next(i, n == 1 ? beat : SEVERAL.toNanos());
                if (part != null) {
                    exchange.events(answer.part(i, part));
                    lastWrite = System.nanoTime();
                    left -= part.result() == null ? 0 : 1;
                } else if (System.nanoTime() - lastWrite >= beat) {
                    exchange.waitWithEvents();
                    lastWrite = System.nanoTime();
                }
            }
        }
    }
}
