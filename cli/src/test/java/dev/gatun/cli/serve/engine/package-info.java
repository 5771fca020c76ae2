@NullMarked
package dev.gatun.cli.serve.engine;

import org.jspecify.annotations.NullMarked;
