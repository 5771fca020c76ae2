@NullMarked
package dev.gatun.cli.hub;

import org.jspecify.annotations.NullMarked;
