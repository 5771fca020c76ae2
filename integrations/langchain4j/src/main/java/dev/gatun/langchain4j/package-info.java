/**
 * Gatun's models behind LangChain4j's interfaces, in process. An adapter owns nothing: whoever opened the model closes it, after the
 * last call.
 */
@NullMarked
package dev.gatun.langchain4j;

import org.jspecify.annotations.NullMarked;
