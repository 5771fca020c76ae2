package dev.gatun.model.constrain;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import org.apache.lucene.util.automaton.Automaton;
import org.apache.lucene.util.automaton.Transition;

/**
 * A language of bytes: a graph of nodes that read bytes, call other nodes as rules, and repeat. What calls are under way is a stack,
 * so a rule may call itself. Immutable.
 *
 * @param nodes by id
 * @param start where a text starts; a {@link Node.Return} without a call is its end
 */
record Grammar(List<Node> nodes, int start) {
    /** What is known of a text at a place. */
    sealed interface Node {
        /**
         * Reads one byte: from {@code low[i]} to {@code high[i]} (both included) leads to {@code target[i]}. Ranges may overlap, all
         * are followed then.
         */
        record Bytes(int[] low, int[] high, int[] target) implements Node {}

        /** Goes on from each of these; from none, nothing can follow. */
        record Split(int[] targets) implements Node {}

        /** Goes on from {@code rule}, and where that returns, from {@code next}. */
        record Call(int rule, int next) implements Node {}

        /** {@code body}, which returns and is never empty, {@code min} to {@code max} times, then {@code next}. */
        record Loop(int body, int min, int max, int next) implements Node {}

        /** The end of a rule, of a loop's body or of the text. */
        record Return() implements Node {}
    }

    /** As a loop's maximum: any number of times. */
    static final int UNLIMITED = Integer.MAX_VALUE;

    private static final Node RETURN = new Node.Return();
    private static final Node NOTHING = new Node.Split(new int[0]);

    /** Makes a grammar backwards: each part is made with what follows it. */
    static final class Builder {
        /** A schema of a thousand fields has some 20,000; a pattern of {@link CodePoints#MAX_STATES} states up to ten times those. */
        private static final int MAX_NODES = 500_000;

        private final List<Node> nodes = new ArrayList<>();
        private final int end = add(RETURN);
        private final int nothing = add(NOTHING);

        /** The end of a rule, of a loop's body or of the text. */
        int end() {
            return end;
        }

        /** From where nothing can follow. */
        int nothing() {
            return nothing;
        }

        private int add(Node node) {
            if (nodes.size() == MAX_NODES) {
                throw new ConstraintException("the constraint is too large: it has more than " + MAX_NODES + " states");
            }
            nodes.add(node);
            return nodes.size() - 1;
        }

        /** A node that {@link #define} says later. */
        int reserve() {
            return add(NOTHING);
        }

        /** Says that {@code reserved} is {@code node}. */
        void define(int reserved, int node) {
            nodes.set(reserved, new Node.Split(new int[] {node}));
        }

        int split(int... targets) {
            return targets.length == 1 ? targets[0] : add(new Node.Split(targets));
        }

        int split(List<Integer> targets) {
            return split(targets.stream().mapToInt(i -> i).toArray());
        }

        int call(int rule, int next) {
            return add(new Node.Call(rule, next));
        }

        int loop(int body, int min, int max, int next) {
            return max == 0 ? next : add(new Node.Loop(body, min, max, next));
        }

        /** The UTF-8 of a text. */
        int literal(String text, int next) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            int node = next;
            for (int i = bytes.length - 1; i >= 0; i--) {
                int b = bytes[i] & 0xff;
                node = add(new Node.Bytes(new int[] {b}, new int[] {b}, new int[] {node}));
            }
            return node;
        }

        /** What an automaton over bytes accepts. */
        int automaton(Automaton bytes, int next) {
            int states = bytes.getNumStates();
            if (states == 0) {
                return nothing;
            }
            int[] ids = new int[states];
            for (int s = 0; s < states; s++) {
                ids[s] = reserve();
            }
            var t = new Transition();
            for (int s = 0; s < states; s++) {
                int n = bytes.initTransition(s, t);
                int[] low = new int[n];
                int[] high = new int[n];
                int[] target = new int[n];
                for (int i = 0; i < n; i++) {
                    bytes.getNextTransition(t);
                    low[i] = t.min;
                    high[i] = t.max;
                    target[i] = ids[t.dest];
                }
                Node node = new Node.Bytes(low, high, target);
                nodes.set(ids[s], bytes.isAccept(s) ? new Node.Split(new int[] {add(node), next}) : node);
            }
            return ids[0];
        }

        /** The grammar of texts that begin at {@code start}. */
        Grammar build(int start) {
            return new Grammar(List.copyOf(nodes), start);
        }
    }

    /** Whether any text is in the language. */
    boolean isEmpty() {
        BitSet all = new BitSet();
        all.set(0, 256);
        return !productive(all).get(start);
    }

    /**
     * The language of texts that have only these bytes. Every node of it that can be reached leads to an end, so a text that is in
     * it so far can always be finished.
     */
    Grammar within(BitSet bytes) {
        BitSet productive = productive(bytes);
        List<Node> kept = new ArrayList<>(nodes.size());
        for (Node node : nodes) {
            kept.add(
                    switch (node) {
                        case Node.Bytes b -> prune(b, bytes, productive);
                        case Node.Split(int[] targets) ->
                            new Node.Split(Arrays.stream(targets)
                                    .filter(productive::get)
                                    .toArray());
                        case Node.Loop(int body, int _, int _, int next)
                        when !productive.get(body) ->
                            new Node.Split(new int[] {next}); // none is enough, or nobody gets here
                        case Node other -> other;
                    });
        }
        return new Grammar(kept, start);
    }

    private static Node prune(Node.Bytes node, BitSet bytes, BitSet productive) {
        List<int[]> edges = new ArrayList<>();
        for (int i = 0; i < node.low.length; i++) {
            if (productive.get(node.target[i])) {
                for (int from = bytes.nextSetBit(node.low[i]); from >= 0 && from <= node.high[i]; ) {
                    int to = Math.min(bytes.nextClearBit(from) - 1, node.high[i]);
                    edges.add(new int[] {from, to, node.target[i]});
                    from = bytes.nextSetBit(to + 1);
                }
            }
        }
        return new Node.Bytes(column(edges, 0), column(edges, 1), column(edges, 2));
    }

    private static int[] column(List<int[]> edges, int i) {
        return edges.stream().mapToInt(edge -> edge[i]).toArray();
    }

    /** Nodes from which an end can be reached with these bytes. */
    private BitSet productive(BitSet bytes) {
        int n = nodes.size();
        List<List<Integer>> before = new ArrayList<>(n); // nodes that a node may make productive
        for (int id = 0; id < n; id++) {
            before.add(new ArrayList<>(2));
        }
        Deque<Integer> open = new ArrayDeque<>();
        for (int id = 0; id < n; id++) {
            for (int next : successors(nodes.get(id))) {
                before.get(next).add(id);
            }
            if (nodes.get(id) instanceof Node.Return) {
                open.add(id);
            }
        }
        BitSet productive = new BitSet(n);
        while (!open.isEmpty()) {
            int id = open.pop();
            if (!productive.get(id) && leadsOn(nodes.get(id), bytes, productive)) {
                productive.set(id);
                open.addAll(before.get(id));
            }
        }
        return productive;
    }

    private static int[] successors(Node node) {
        return switch (node) {
            case Node.Bytes bytes -> bytes.target;
            case Node.Split(int[] targets) -> targets;
            case Node.Call(int rule, int next) -> new int[] {rule, next};
            case Node.Loop(int body, int _, int _, int next) -> new int[] {body, next};
            case Node.Return() -> new int[0];
        };
    }

    private static boolean leadsOn(Node node, BitSet bytes, BitSet productive) {
        return switch (node) {
            case Node.Bytes b -> {
                boolean any = false;
                for (int i = 0; i < b.low.length && !any; i++) {
                    int first = bytes.nextSetBit(b.low[i]);
                    any = first >= 0 && first <= b.high[i] && productive.get(b.target[i]);
                }
                yield any;
            }
            case Node.Split(int[] targets) -> Arrays.stream(targets).anyMatch(productive::get);
            case Node.Call(int rule, int next) -> productive.get(rule) && productive.get(next);
            case Node.Loop(int body, int min, int _, int next) ->
                productive.get(next) && (min == 0 || productive.get(body));
            case Node.Return() -> true;
        };
    }
}
