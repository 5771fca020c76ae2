/** Gatun's models as LangChain4j's. */
@SuppressWarnings("requires-transitive-automatic") // LangChain4j has no module of its own
module dev.gatun.langchain4j {
    requires static org.jspecify;
    requires transitive dev.gatun.model;
    requires transitive langchain4j.core;

    exports dev.gatun.langchain4j;
}
