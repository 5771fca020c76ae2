package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.engine.BusyException;
import dev.gatun.cli.serve.engine.GeneratedText.EngineFailure;
import dev.gatun.model.InputException;
import dev.gatun.model.constrain.ConstraintException;
import dev.gatun.model.template.TemplateException;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/** What clients are told of what was thrown. */
final class Errors {
    private Errors() {}

    /** As OpenAI writes errors. */
    static ObjectNode json(ApiException e) {
        ObjectNode root = Json.object();
        ObjectNode error = root.putObject("error");
        error.put("message", e.getMessage());
        error.put("type", e.type());
        error.put("param", e.param());
        error.put("code", e.code());
        return root;
    }

    /** What is known to be the client's doing, or passes; null for what is a fault of ours. */
    static @Nullable ApiException known(Throwable thrown) {
        return switch (thrown) {
            case ApiException e -> e;
            case BusyException e -> ApiException.busy(429, e.retrySeconds(), String.valueOf(e.getMessage()));
            case InputException e -> ApiException.invalid(null, String.valueOf(e.getMessage()));
            case ConstraintException e -> ApiException.invalid("response_format", String.valueOf(e.getMessage()));
            case TemplateException e -> ApiException.invalid("messages", String.valueOf(e.getMessage()));
            case CancellationException _ -> ApiException.busy(503, 1, "cancelled");
            case EngineFailure e when e.getCause() instanceof CancellationException cause -> known(cause);
            case null, default -> null;
        };
    }
}
