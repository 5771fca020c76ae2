package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.JsonNode;
import dev.gatun.model.generate.TextGeneration.End;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/** Small things that answers share. */
final class Ids {
    private Ids() {}

    /** A name that no other answer has. */
    static String next(String prefix) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        return prefix
                + HexFormat.of().toHexDigits(random.nextLong())
                + HexFormat.of().toHexDigits(random.nextLong());
    }

    static String finish(End end) {
        return end == End.LENGTH ? "length" : "stop";
    }

    /** Ids of tokens that a client has sent. */
    static int[] tokens(Fields request, String name, JsonNode array, int vocab) {
        int[] ids = new int[array.size()];
        if (ids.length == 0) {
            throw request.wrong(name, "is empty");
        }
        for (int i = 0; i < ids.length; i++) {
            JsonNode id = array.get(i);
            if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() < 0 || id.intValue() >= vocab) {
                throw request.wrong(name + "[" + i + "]", "must be the id of a token, 0 to " + (vocab - 1));
            }
            ids[i] = id.intValue();
        }
        return ids;
    }
}
