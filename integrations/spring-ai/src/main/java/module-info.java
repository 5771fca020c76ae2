/** Gatun's models as Spring AI's. */
@SuppressWarnings("requires-transitive-automatic") // Spring AI and Reactor have no modules of their own
module dev.gatun.springai {
    requires static org.jspecify;
    requires transitive dev.gatun.model;
    requires transitive reactor.core;
    requires transitive spring.ai.commons;
    requires transitive spring.ai.model;

    exports dev.gatun.springai;
}
