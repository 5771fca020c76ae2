/**
 * Continuous batching: texts of any number of callers grow side by side in one session, joining and leaving between its steps, and each
 * is the text that it would be alone. Nothing here knows of HTTP.
 */
@NullMarked
package dev.gatun.cli.serve.engine;

import org.jspecify.annotations.NullMarked;
