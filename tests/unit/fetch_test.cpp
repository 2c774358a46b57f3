#include <doctest/doctest.h>

#include "remote/fetch.hpp"

using namespace ffci;

TEST_CASE("a URL is shown without user, password and query, also where it is malformed") {
  CHECK(shown_url("https://host/a/b.json") == "https://host/a/b.json");
  CHECK(shown_url("https://me:secret@host:8/a?token=secret#part") == "https://host:8/a");
  CHECK(shown_url("https://host/a?mail=secret@x") == "https://host/a");
  for (const char* url :
       {"https://user:se/cret@host/a", "https://user:se@cret@host/a", "https://user:se#cret@host/a",
        "https://us/er:se/cret@host/a?b", "https://u:se/cr@et@host/a#b"})
    CHECK(shown_url(url) == "https://host/a");
}
