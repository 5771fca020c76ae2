/** How ids are picked from logits: greedy and beam search. */
@NullMarked
package dev.gatun.model.generate;

import org.jspecify.annotations.NullMarked;
