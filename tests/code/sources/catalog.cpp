#include <cstdio>
#include <vector>
#include <string>

namespace shop {
template <typename T>
class Catalog {
public:
    __attribute__((noinline)) void fill(std::vector<T> &rows) const {
        for (auto &row : rows)
            row = static_cast<T>(row * 31 + 7);
        asm volatile("" ::: "memory");
    }
};
__attribute__((noinline)) void load(const Catalog<long> &catalog, const std::string &) {
    std::vector<long> rows(1 << 15);
    for (int at = 0; at < 1000000; at++)
        catalog.fill(rows);
}
}

int main() {
    std::puts("ready");
    std::fflush(stdout);
    shop::Catalog<long> catalog;
    for (;;)
        shop::load(catalog, "shelf");
}
