/**
 * Chat templates: the part of Jinja that models ship, as transformers renders it, in a sandbox. A template can compute with what it
 * is given and nothing else; its steps, its depth and its text are limited, so that none can loop.
 *
 * <p>Of the 140 conversations that 70 published templates write, all come out as transformers renders them; of libraries on Maven
 * Central, Jinjava 2.8.3 was tried, and got 40 of 129. docs/TEMPLATES.md names them.
 */
@NullMarked
package dev.gatun.model.template;

import org.jspecify.annotations.NullMarked;
