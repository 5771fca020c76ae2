package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.gatun.cli.serve.engine.GeneratedText.Part;
import dev.gatun.cli.serve.engine.GeneratedText.Token;
import dev.gatun.model.generate.TextGeneration.Result;
import java.util.List;

/** How texts are written into answers. */
interface TextAnswer {
    /**
     * A text that is done.
     *
     * @param tokens where log-probabilities are asked for
     */
    record Finished(Result result, List<Token> tokens) {}

    /** The answer of all texts at once, without usage. */
    ObjectNode whole(List<Finished> choices);

    /** Events that a text begins with. */
    List<ObjectNode> first(int choice);

    /** Events of a part; the last part has the result. */
    List<ObjectNode> part(int choice, Part part);

    /** An event of no text, for the usage. */
    ObjectNode empty();
}
