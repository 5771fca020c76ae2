/**
 * Chat templates: the part of Jinja that models ship, as transformers renders it, in a sandbox. A template can compute with what it
 * is given and nothing else; its steps, its depth and its text are limited, so that none can loop.
 *
 * <p>Of libraries on Maven Central, Jinjava 2.8.3 was tried on the 70 templates that llama.cpp collects: 40 of 129 conversations came
 * out as transformers renders them (Llama 3.x, Qwen 2.5 and 3, SmolLM3, Mistral Nemo did not), it brings 28 jars of 9.5 MB, and the
 * first render took 1.2 s.
 */
@NullMarked
package dev.gatun.model.template;

import org.jspecify.annotations.NullMarked;
