// The same as fill.c in C++: members of a class in a namespace, and a container that grows.
#include <memory>
#include <unistd.h>
#include <vector>

namespace shop {
class Catalog {
    std::vector<std::unique_ptr<char[]>> rows;

  public:
    __attribute__((noinline)) void load(int count)
    {
        for (int i = 0; i < count; i++) {
            rows.emplace_back(new char[30000]);
            for (int at = 0; at < 30000; at += 512)
                static_cast<volatile char *>(rows.back().get())[at] = 1;
        }
    }
    __attribute__((noinline)) void cache()
    {
        rows.emplace_back(new char[30000]);
        for (int at = 0; at < 30000; at += 512)
            static_cast<volatile char *>(rows.back().get())[at] = 2;
    }
};
} // namespace shop

int main()
{
    shop::Catalog catalog;

    for (int turn = 0;; turn++) {
        catalog.load(3);
        catalog.cache();
        if (turn == (8 << 20) / 120000 || turn == (60 << 20) / 120000)
            usleep(500000);
    }
}
