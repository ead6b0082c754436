// A thread pool that runs the tasks of one kernel at a time.
//
// Not OpenMP: there a kernel ends when every thread has reached the barrier, and a thread whose core is running another
// process reaches it a scheduler tick later (milliseconds, for kernels of microseconds). Here the caller works too and
// waits for tasks, not for threads: a late thread delays nothing. docs/lab-notes.md: "threads that are late".
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

    // Calls body(i) once for every i below `tasks`, in any order and from any thread; returns when all calls have.
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
    // The number of tasks left in the low half, the number of the round in the high half. Taking a task is a single
    // compare-exchange, which fails if the round is over: a late thread never sees half of the next round, and a task
    // that it took keeps its round open.
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

    // Kernels of a step follow each other within microseconds, requests do not: spin first, then sleep.
    void help() {
        constexpr int SPINS = 5000;  // about 40 ns each
        int spins = SPINS;
        while (true) {
            uint32_t before = announced.load(std::memory_order_acquire);
            if (stopping) return;  // read after `before`: a later stop changes `announced`, so the wait below returns
            if (work()) spins = SPINS;
            else if (--spins > 0) _mm_pause();
            else {
                announced.wait(before);
                spins = SPINS;
            }
        }
    }
};
