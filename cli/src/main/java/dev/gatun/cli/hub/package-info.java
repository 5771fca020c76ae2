/**
 * Models from the Hugging Face Hub: found, downloaded, checked, and kept in the cache folder that its other clients use as well.
 * Names, lengths, hashes and redirections come from a server and are checked before they are used.
 */
@NullMarked
package dev.gatun.cli.hub;

import org.jspecify.annotations.NullMarked;
