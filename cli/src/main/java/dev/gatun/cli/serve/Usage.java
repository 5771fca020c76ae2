package dev.gatun.cli.serve;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Tokens that a request took.
 *
 * @param prompt read
 * @param known of these that had been computed before
 * @param written generated
 */
record Usage(int prompt, int known, int written) {
    ObjectNode json() {
        ObjectNode usage = Json.object();
        usage.put("prompt_tokens", prompt);
        usage.put("completion_tokens", written);
        usage.put("total_tokens", prompt + written);
        usage.putObject("prompt_tokens_details").put("cached_tokens", known);
        return usage;
    }
}
