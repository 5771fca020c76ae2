/** Adapters under LangChain4j's own interfaces, on small models of this repository. */
@NullMarked
package dev.gatun.langchain4j;

import org.jspecify.annotations.NullMarked;
