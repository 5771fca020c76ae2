package dev.gatun.model.constrain;

import dev.gatun.model.constrain.Grammar.Node;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The states a {@link Grammar} can be in, made deterministic as texts get there: a state is the set of all its readings, each a node
 * and the stack of calls. Known states and transitions are found again without allocation; {@link #forget} bounds how many are kept.
 * Not thread-safe.
 */
final class LazyDfa {
    /**
     * Readings of one text at most. Beyond them the last are dropped: what is left is still the language, without some of its texts,
     * and each reading can be finished. Only a grammar that is ambiguous at every level of a recursion has so many.
     */
    private static final int MAX_READINGS = 512;

    /** The count of a cell that is a call, which goes on from its node; a loop's cell is within the loop that is its node. */
    private static final int CALL = -1;

    /** A stack: the innermost call (or loop), how often the loop has run before, and the stack below. One object a stack. */
    private static final class Cell {
        final int node;
        final int count;
        final @Nullable Cell below;
        final long hash; // of the whole stack: gives readings an order that does not depend on what came before

        Cell(int node, int count, @Nullable Cell below) {
            this.node = node;
            this.count = count;
            this.below = below;
            long mixed = ((below == null ? 1 : below.hash) * 31 + node) * 31 + count;
            mixed *= 0x9e3779b97f4a7c15L;
            hash = mixed ^ mixed >>> 32;
        }

        static long hash(@Nullable Cell cell) {
            return cell == null ? 0 : cell.hash;
        }
    }

    private record CellKey(int node, int count, @Nullable Cell below) {}

    /** A node that reads a byte, and the stack. */
    private record Reading(int node, @Nullable Cell stack) {
        static final Comparator<Reading> ORDER =
                Comparator.comparingInt(Reading::node).thenComparingLong(reading -> Cell.hash(reading.stack));
    }

    private record StateKey(List<Reading> readings, boolean accepting) {}

    /** A set of readings. */
    static final class State {
        private final StateKey key;
        private @Nullable State @Nullable []
                next; // by byte, once one has been asked for; most states are only looked at

        @Nullable
        BitSet mask; // for who uses the states

        private State(StateKey key) {
            this.key = key;
        }

        /** Whether a text may end here. */
        boolean accepting() {
            return key.accepting;
        }

        /** Whether a text has to end here. */
        boolean last() {
            return key.readings.isEmpty();
        }
    }

    private static final State DEAD = new State(new StateKey(List.of(), false));

    private final Node[] nodes;
    private final State start;
    private final Map<CellKey, Cell> cells = new HashMap<>();
    private final Map<StateKey, State> states = new HashMap<>();

    LazyDfa(Grammar grammar) {
        nodes = grammar.nodes().toArray(Node[]::new);
        Closure closure = new Closure();
        closure.add(grammar.start(), null);
        start = closure.state();
    }

    State start() {
        return start;
    }

    /** The state after a byte; null if no text goes on so. */
    @Nullable
    State step(State state, int b) {
        @Nullable State[] next = state.next;
        if (next == null) {
            next = new State[256];
            state.next = next;
        }
        State known = next[b];
        if (known == null) {
            known = compute(state, b);
            next[b] = known;
        }
        return known == DEAD ? null : known;
    }

    private State compute(State state, int b) {
        Closure closure = new Closure();
        for (Reading reading : state.key.readings) {
            Node.Bytes bytes = (Node.Bytes) nodes[reading.node];
            for (int i = 0; i < bytes.target().length; i++) {
                if (b >= bytes.low()[i] && b <= bytes.high()[i]) {
                    closure.add(bytes.target()[i], reading.stack);
                }
            }
        }
        return closure.state();
    }

    /** States that are kept. */
    int size() {
        return states.size();
    }

    /** Forgets all states; the same as {@code state}, but knowing no other. */
    State forget(State state) {
        states.clear();
        cells.clear();
        Map<Cell, Cell> copies = new HashMap<>();
        return known(new StateKey(
                state.key.readings.stream()
                        .map(reading -> new Reading(reading.node, copy(reading.stack, copies)))
                        .toList(),
                state.key.accepting));
    }

    private @Nullable Cell copy(@Nullable Cell stack, Map<Cell, Cell> copies) {
        Deque<Cell> above = new ArrayDeque<>();
        Cell cell = stack;
        while (cell != null && !copies.containsKey(cell)) {
            above.push(cell);
            cell = cell.below;
        }
        Cell copy = cell == null ? null : copies.get(cell);
        for (Cell next : above) {
            copy = cell(next.node, next.count, copy);
            copies.put(next, copy);
        }
        return copy;
    }

    private Cell cell(int node, int count, @Nullable Cell below) {
        return cells.computeIfAbsent(new CellKey(node, count, below), key -> new Cell(node, count, below));
    }

    private State known(StateKey key) {
        return states.computeIfAbsent(key, State::new);
    }

    /** Everything that can be read next from some places, found without reading. */
    private final class Closure {
        private final Set<Reading> seen = new HashSet<>();
        private final Deque<Reading> open = new ArrayDeque<>();
        private final List<Reading> readings = new ArrayList<>();
        private boolean accepting;

        void add(int node, @Nullable Cell stack) {
            push(node, stack);
            while (!open.isEmpty()) {
                follow(open.pop());
            }
        }

        private void push(int node, @Nullable Cell stack) {
            var place = new Reading(node, stack);
            if (seen.size() < 16 * MAX_READINGS && seen.add(place)) {
                open.push(place);
            }
        }

        private void follow(Reading place) {
            Cell stack = place.stack;
            switch (nodes[place.node]) {
                case Node.Bytes _ -> {
                    if (readings.size() < MAX_READINGS) {
                        readings.add(place);
                    }
                }
                case Node.Split(int[] targets) -> {
                    for (int i = targets.length - 1; i >= 0; i--) {
                        push(targets[i], stack);
                    }
                }
                case Node.Call(int rule, int next) ->
                    push(rule, nodes[next] instanceof Node.Return ? stack : cell(next, CALL, stack));
                case Node.Loop loop -> turn(place.node, loop, 0, stack);
                case Node.Return() -> leave(stack);
            }
        }

        private void leave(@Nullable Cell stack) {
            if (stack == null) {
                accepting = true;
            } else if (nodes[stack.node] instanceof Node.Loop loop && stack.count != CALL) {
                turn(stack.node, loop, stack.count + 1, stack.below);
            } else {
                push(stack.node, stack.below);
            }
        }

        /** The loop's body has run {@code count} times. */
        private void turn(int id, Node.Loop loop, int count, @Nullable Cell stack) {
            if (count < loop.max()) {
                // Without a maximum all counts from the minimum on are the same.
                push(
                        loop.body(),
                        cell(id, loop.max() == Grammar.UNLIMITED ? Math.min(count, loop.min()) : count, stack));
            }
            if (count >= loop.min()) {
                push(loop.next(), stack);
            }
        }

        State state() {
            if (readings.isEmpty() && !accepting) {
                return DEAD;
            }
            readings.sort(Reading.ORDER);
            return known(new StateKey(List.copyOf(readings), accepting));
        }
    }
}
