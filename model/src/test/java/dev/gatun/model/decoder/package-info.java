@NullMarked
package dev.gatun.model.decoder;

import org.jspecify.annotations.NullMarked;
