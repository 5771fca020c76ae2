/**
 * Models over HTTP, as clients of OpenAI, Cohere and Jina expect them. What comes from a client is hostile until it has been checked;
 * what it asks for is computed by {@link dev.gatun.cli.serve.engine}.
 */
@NullMarked
package dev.gatun.cli.serve;

import org.jspecify.annotations.NullMarked;
