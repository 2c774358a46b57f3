// SQLite, as much of it as the history needs: a file, and statements prepared for it. What goes
// wrong is thrown as sqlite::Failure, and caught by the history; nobody else uses this.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/time.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace ffci::sqlite {

class Failure : public std::runtime_error {
 public:
  enum class Kind {
    damaged,  // the file holds no database, a broken one, or one without our tables
    busy,     // another process holds it, and did so for as long as we wait
    other,    // the disk, permissions, ...
  };
  Failure(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  [[nodiscard]] Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

enum class Access { write, read, read_unchanging };

class Database {
 public:
  static constexpr std::chrono::seconds longest_wait{10};  // for another process that writes

  // Makes the file when it is missing, to write. read_unchanging: no other process writes it, so
  // that nothing need be written to read it.
  Database(const std::filesystem::path& path, Access access);
  [[nodiscard]] static Database in_memory();

  [[nodiscard]] sqlite3* get() const { return handle_.get(); }
  // One or more statements, without results.
  void execute(const char* sql);
  // The first column of the first row.
  [[nodiscard]] std::int64_t whole(const char* sql);
  [[nodiscard]] std::int64_t last_inserted() const;
  // The file, or its directory, can't be written.
  [[nodiscard]] bool is_read_only() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  Database() = default;
  std::unique_ptr<sqlite3, Close> handle_;
};

// Kept for several executions: with() begins the next one.
class Statement {
 public:
  Statement(const Database& database, std::string_view sql);

  // The values of ?1, ?2, ….
  template <class... Values>
  Statement& with(const Values&... values) {
    reset();
    int index = 0;
    (bind(++index, values), ...);
    return *this;
  }
  // Whether there is a further row.
  [[nodiscard]] bool next();
  // To its end.
  void run();
  void reset();

  // Of the row, columns from 0. Text is valid up to the next call of next() or with().
  [[nodiscard]] std::int64_t whole(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] Duration duration(int column) const;  // of *_seconds
  [[nodiscard]] bool is_null(int column) const;

 private:
  void bind(int index, std::int64_t value);
  void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, int value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::string_view value);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, Duration value);  // as seconds
  void bind_null(int index);
  template <class Value>
  void bind(int index, const std::optional<Value>& value) {
    if (value) {
      bind(index, *value);
    } else {
      bind_null(index);
    }
  }

  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

// All or nothing: what is not committed is taken back. It is the only writer from its beginning on.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace ffci::sqlite
