#include "store/sqlite.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cmath>

namespace ffci::sqlite {
namespace {

[[noreturn]] void throw_failure(sqlite3* database, int code) {
  Failure::Kind kind = Failure::Kind::other;
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // our statements are correct: the tables are not ours
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
      kind = Failure::Kind::damaged;
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      kind = Failure::Kind::busy;
      break;
    default:
      break;
  }
  throw Failure(kind, database == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database));
}

// As a URI, in which only what is plain stands for itself.
std::string uri(const std::filesystem::path& path, std::string_view parameters) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
  std::string text = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    text += plain.find(c) == std::string_view::npos
                ? fmt::format("%{:02X}", static_cast<unsigned char>(c))
                : std::string(1, c);
  }
  return text + std::string(parameters);
}

}  // namespace

void Database::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}

Database::Database(const std::filesystem::path& path, Access access) {
  const int flags =
      access == Access::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const std::string name =
      access == Access::read_unchanging ? uri(path, "?immutable=1") : uri(path, "");
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &opened,
                                   flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(opened);
  if (code != SQLITE_OK) throw_failure(opened, code);
  sqlite3_extended_result_codes(opened, 1);
  sqlite3_busy_timeout(opened, static_cast<int>(std::chrono::milliseconds(longest_wait).count()));
  // What stands in the file is not trusted.
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
}

Database Database::in_memory() {
  Database database;
  sqlite3* opened = nullptr;
  const int code = sqlite3_open(":memory:", &opened);
  database.handle_.reset(opened);
  if (code != SQLITE_OK) throw_failure(opened, code);
  return database;
}

void Database::execute(const char* sql) {
  const int code = sqlite3_exec(get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw_failure(get(), code);
}

std::int64_t Database::whole(const char* sql) {
  Statement statement(*this, sql);
  return statement.next() ? statement.whole(0) : 0;
}

std::int64_t Database::last_inserted() const {
  return sqlite3_last_insert_rowid(get());
}

bool Database::is_read_only() const {
  return sqlite3_db_readonly(get(), "main") == 1;
}

void Statement::Finalize::operator()(sqlite3_stmt* handle) const {
  sqlite3_finalize(handle);
}

Statement::Statement(const Database& database, std::string_view sql) : database_(database.get()) {
  sqlite3_stmt* prepared = nullptr;
  const int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  if (code != SQLITE_OK) throw_failure(database_, code);
  handle_.reset(prepared);
}

bool Statement::next() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  throw_failure(database_, code);
}

void Statement::run() {
  while (next()) {
  }
  reset();
}

void Statement::reset() {
  sqlite3_reset(handle_.get());
}

std::int64_t Statement::whole(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string_view Statement::text(int column) const {
  const void* bytes = sqlite3_column_text(handle_.get(), column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

Duration Statement::duration(int column) const {
  const double seconds = sqlite3_column_double(handle_.get(), column);
  constexpr double longest = 1e12;  // a damaged file may hold anything
  if (!(seconds >= 0 && seconds < longest)) return Duration::zero();
  return Duration(std::llround(seconds * 1000));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

void Statement::bind(int index, std::int64_t value) {
  const int code = sqlite3_bind_int64(handle_.get(), index, value);
  if (code != SQLITE_OK) throw_failure(database_, code);
}

void Statement::bind(int index, std::string_view value) {
  // A null pointer would be NULL.
  const int code = sqlite3_bind_text64(handle_.get(), index, value.empty() ? "" : value.data(),
                                       value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) throw_failure(database_, code);
}

void Statement::bind(int index, Duration value) {
  const int code = sqlite3_bind_double(handle_.get(), index, to_seconds(value));
  if (code != SQLITE_OK) throw_failure(database_, code);
}

void Statement::bind_null(int index) {
  const int code = sqlite3_bind_null(handle_.get(), index);
  if (code != SQLITE_OK) throw_failure(database_, code);
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace ffci::sqlite
