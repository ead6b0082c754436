// Threads that share the tasks of one kernel at a time.
//
// Not OpenMP: there a kernel ends when every thread has checked in, and a thread whose core is taken by another process
// checks in a scheduler's tick later (milliseconds, for kernels of microseconds). Here the caller works too and waits
// for tasks, not for threads: whoever does not come is not needed. docs/lab-notes.md: "threads that are late".
#pragma once
#include <atomic>
#include <cstdint>
#include <immintrin.h>
#include <thread>
#include <vector>

class Pool {
  public:
    explicit Pool(int threads) {
        for (int helper = 1; helper < threads; ++helper) helpers.emplace_back([this] { help(); });
    }

    ~Pool() {
        stopping = true;
        announced.fetch_add(1);
        announced.notify_all();
        for (std::thread &helper : helpers) helper.join();
    }

    // Calls body(i) once for every i below `tasks`, in any order and from any thread, and returns when all have ended.
    template <class Body>
    void run(int64_t tasks, const Body &body) {
        if (tasks <= 0) return;
        count = tasks;
        task = [](const void *context, int64_t i) { (*(const Body *)context)(i); };
        context = &body;
        unfinished.store(count, std::memory_order_relaxed);
        round = (round + 1) & 0xffffffff;
        tickets.store(round << 32 | (uint64_t)count, std::memory_order_release);
        if (count > 1 && !helpers.empty()) {
            announced.fetch_add(1, std::memory_order_release);
            announced.notify_all();
        }
        work();
        while (unfinished.load(std::memory_order_acquire)) _mm_pause();
    }

  private:
    // How many tasks are left to take, below the round's number. Taking one is a single exchange, which fails if the
    // round is over: a thread that comes late never sees half of the next round, and what it took keeps its round
    // open.
    std::atomic<uint64_t> tickets{0};
    std::atomic<int64_t> unfinished{0};
    std::atomic<uint32_t> announced{0};
    std::atomic<bool> stopping{false};
    uint64_t round = 0;
    void (*task)(const void *, int64_t) = nullptr;
    const void *context = nullptr;
    int64_t count = 0;
    std::vector<std::thread> helpers;

    bool work() {
        bool worked = false;
        uint64_t seen = tickets.load(std::memory_order_acquire);
        while (seen & 0xffffffff) {
            if (!tickets.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel)) continue;
            task(context, count - (int64_t)(seen & 0xffffffff));
            unfinished.fetch_sub(1, std::memory_order_release);
            worked = true;
            seen = tickets.load(std::memory_order_acquire);
        }
        return worked;
    }

    // Between the kernels of a step there are some microseconds, between requests more: first look, then sleep.
    void help() {
        constexpr int LOOKS = 5000;  // of about 40 ns
        int looks = LOOKS;
        while (true) {
            uint32_t before = announced.load(std::memory_order_acquire);
            if (stopping) return;  // looked at after `before`: an end that is announced later changes `announced`
            if (work()) looks = LOOKS;
            else if (--looks > 0) _mm_pause();
            else {
                announced.wait(before);
                looks = LOOKS;
            }
        }
    }
};
