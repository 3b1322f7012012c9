// Small corpora of dumps and books, built from few input splits or from many.
#pragma once

#include <map>
#include <string>

#include "common/config/pipeline_config.h"
#include "common/storage/files.h"
#include "shards/corpus/corpus_build.h"
#include "shards/corpus/local_build.h"
#include "tests/shards/text/text_fixture.h"
#include "tests/testing/status_matchers.h"

namespace still::shards {

// Has the configuration of a corpus of short sequences, whose inputs the test adds.
class SmallCorpusFixture : public TextFixture {
 protected:
  SmallCorpusFixture() {
    config_.set_vocab(Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\nthree\nfour\n.\n"));
    config_.set_max_sequence_tokens(8);
    config_.set_min_sequence_tokens(5);
  }

  // Returns the contents of every file of the corpus except summary.json, which holds how long the build took.
  static std::map<std::string, std::string> BytesOf(const std::string& corpus) {
    std::map<std::string, std::string> files;
    for (const std::string& path : *ListFilesRecursively(corpus)) {
      if (!path.ends_with("summary.json")) files[path.substr(corpus.size())] = *ReadFile(path);
    }
    return files;
  }

  v1::CorpusConfig config_ = DefaultPipelineConfig().corpus();
};

class CorpusBuildFixture : public SmallCorpusFixture {
 protected:
  static constexpr SplitBytes kSmall = {.of_dump = 2000, .of_books = 300};

  void SetUp() override {
    config_.set_sequences_per_shard(7);
    config_.set_heldout_percent(30);
    std::string pages;
    for (int i = 0; i < 60; ++i) {
      std::string text;
      for (int bit = 0; bit < 6 + i % 5; ++bit) text += (i % 50 >> bit % 6 & 1) != 0 ? "one " : "two three ";
      pages += PageXml(i + 1, "four", text, i % 7 == 3 ? "<redirect title=\"one\" />" : "");
    }
    config_.add_wikipedia(Write("w.xml.bz2", CompressedInStreams(DumpXml(pages), 1700)));
    config_.add_wikipedia(Write("v.xml.bz2", Compressed(DumpXml(pages.substr(0, pages.find("<page>", 5000))))));
    for (int i = 0; i < 12; ++i) {
      std::string text = i % 5 == 2 ? "one two three four" : "two ";
      for (int word = 0; word < i % 9 * 5; ++word) text += word % (i + 2) == 0 ? "three " : "four one ";
      config_.add_books(Write("books/" + std::to_string(100 + i) + ".txt", text));
    }
    inputs_ = ReadCorpusInputs(config_).value();
  }

  CorpusBuild Open(const std::string& root, const SplitBytes& split_bytes = kSmall) {
    return CorpusBuild::Open(config_, inputs_, Artifacts(root), split_bytes).value();
  }
  static Result<std::string> Make(CorpusBuild& build, CorpusPass pass, std::uint32_t task) {
    std::string computed;
    return build.Make(
        pass, task, [](const CorpusProgress&) { return Ok(); }, &computed);
  }
  // Does all tasks of the pass that are not done, the last one first.
  static Status MakeAll(CorpusBuild& build, CorpusPass pass) {
    STILL_ASSIGN_OR_RETURN(const std::uint32_t tasks, build.Tasks(pass));
    for (std::uint32_t task = tasks; task-- > 0;) {
      const auto made = build.MadeDigest(pass, task);
      if (made.ok()) continue;
      if (made.status().code() != Code::kNotFound) return made.status();
      STILL_RETURN_IF_ERROR(Make(build, pass, task).status());
    }
    return Ok();
  }
  static Status MakeAll(CorpusBuild& build) {
    for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
      STILL_RETURN_IF_ERROR(MakeAll(build, pass));
    }
    return build.Commit({});
  }

  ArtifactStore Artifacts(const std::string& root) const { return ArtifactStore(directory_ + "/" + root); }
  std::string CorpusPath(const std::string& root) const {
    return Artifacts(root).PathOf("corpus", inputs_.identity.Digest());
  }
  std::string SplitPath(const std::string& root, const std::string& name) const {
    return CorpusPath(root) + ".splits/" + name;
  }
  std::map<std::string, std::string> Bytes(const std::string& root) const { return BytesOf(CorpusPath(root)); }
  // Returns the files as one process makes them from splits of the default size: one per dump, and one for the books.
  const std::map<std::string, std::string>& Expected() {
    if (expected_.empty()) {
      EXPECT_OK(BuildCorpus(config_, inputs_, Artifacts("expected"),
                            [](const CorpusProgress&, std::uint64_t) { return Ok(); }));
      expected_ = Bytes("expected");
    }
    return expected_;
  }
  Summary SummaryOf(const std::string& root) const {
    Summary summary = ReadSummary(CorpusPath(root)).value();
    summary.erase("seconds");
    return summary;
  }

  CorpusInputs inputs_;

 private:
  std::map<std::string, std::string> expected_;
};

}  // namespace still::shards
