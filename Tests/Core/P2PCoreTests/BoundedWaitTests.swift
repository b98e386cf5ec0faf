import NIOCore
import Synchronization
import Testing

@testable import P2PCore

/// The deadline of these clocks passes when a signal is fired, and no real time does.
@Suite("Waits with an end", .timeLimit(.minutes(1)))
struct BoundedWaitTests {
    private let passed = Signal()
    private let begun = Signal()
    private let deadline = NIODeadline.uptimeNanoseconds(10)

    private var clock: HostClock { HostClock(now: { .uptimeNanoseconds(0) }, sleep: { [passed] _ in await passed.wait() }) }

    /// Begins, and goes on only when it is cancelled.
    private func untilCancelled() async {
        self.begun.fire()
        await Signal().wait()
    }

    /// Lets the deadline pass once the body has begun.
    private func passing<Success: Sendable>(_ wait: @escaping @Sendable () async throws -> Success) async throws -> Success {
        async let result = wait()
        await self.begun.wait()
        self.passed.fire()
        return try await result
    }

    /// Cancels the task that waits once the body has begun.
    private func cancelling<Success: Sendable>(_ wait: @escaping @Sendable () async throws -> Success) async throws -> Success {
        let task = Task { try await wait() }
        await self.begun.wait()
        task.cancel()
        return try await task.value
    }

    @Test("What is done in time is returned, and nobody takes it away")
    func inTime() async {
        let taken = Journal<Int>()
        #expect(await self.clock.result(by: self.deadline) { 1 } == 1)
        #expect(await self.clock.result(by: self.deadline, late: { taken.note($0) }, of: { 2 }) == 2)
        #expect(taken.entries.isEmpty)
    }

    @Test("A signal ends a wait as the deadline does, and takes nothing away from who is done")
    func signal() async {
        let signal = Signal()
        #expect(await self.clock.result(by: self.deadline, unless: signal) { 1 } == 1)
        let clock = self.clock
        async let late = clock.result(by: self.deadline, unless: signal, late: { _ in }) {
            await self.untilCancelled()
            return 2
        }
        await self.begun.wait()
        signal.fire()
        #expect(await late == nil)
        #expect(
            await self.clock.result(by: self.deadline, unless: signal) { () -> Int in
                await Signal().wait()
                return 3
            } == 3)
    }

    @Test("The system's clock knows the distant future and the distant past")
    func extremes() async {
        #expect(await HostClock.system.result(by: .distantFuture) { 1 } == 1)
        #expect(await HostClock.system.result(by: .now() + .hours(1)) { 2 } == 2)
        let late = await HostClock.system.result(by: .distantPast, late: { _ in }) {
            try? await Task.sleep(for: .seconds(600))
            return 3
        }
        #expect(late == nil)
    }

    @Test("A failure in time is thrown as what it is")
    func failing() async {
        do throws(StreamError) {
            _ = try await self.clock.result(by: self.deadline) { () throws(StreamError) -> Int in throw StreamError(.reset, "by the peer") }
            Issue.record("it should have failed")
        } catch {
            #expect(error.code == .reset)
        }
    }

    @Test("A late success is returned where nobody is to take it")
    func lateSuccess() async throws {
        let result = try await self.passing {
            await self.clock.result(by: self.deadline) {
                await self.untilCancelled()
                return "made"
            }
        }
        #expect(result == "made")
    }

    @Test("A late success goes to whoever is to take it, and then it is over")
    func lateSuccessTaken() async throws {
        let journal = Journal<String>()
        let result = try await self.passing {
            await self.clock.result(by: self.deadline, late: { (made: String) in journal.note("took \(made)") }) {
                await self.untilCancelled()
                return "made"
            }
        }
        #expect(result == nil)
        #expect(journal.entries == ["took made"])
    }

    @Test("A late failure is the deadline's")
    func lateFailure() async throws {
        let result = try await self.passing {
            try await self.clock.result(by: self.deadline) { () throws(StreamError) -> Int in
                await self.untilCancelled()
                throw StreamError(.cancelled, "cancelled")
            }
        }
        #expect(result == nil)
    }

    @Test("Cancelling the task cancels the body, whose error is thrown")
    func cancelledFailure() async {
        await #expect(throws: StreamError(.cancelled, "")) {
            try await self.cancelling {
                try await self.clock.result(by: self.deadline) { () throws(StreamError) -> Int in
                    await self.untilCancelled()
                    throw StreamError(.cancelled, "cancelled")
                }
            }
        }
        #expect(!self.passed.isFired)
    }

    @Test("What succeeds although the task was cancelled is as late as what succeeds after the deadline", arguments: [true, false])
    func cancelledSuccess(isTaken: Bool) async throws {
        let journal = Journal<String>()
        let take: @Sendable (String) async -> Void = { journal.note("took \($0)") }
        let result = try await self.cancelling {
            await self.clock.result(by: self.deadline, late: isTaken ? take : nil) {
                await self.untilCancelled()
                return "made"
            }
        }
        #expect(result == (isTaken ? nil : "made"))
        #expect(journal.entries == (isTaken ? ["took made"] : []))
    }

    @Test("Nothing is returned before the body has, however little it cares")
    func ignoring() async throws {
        let journal = Journal<String>()
        let told = Signal()
        let mayReturn = Signal()
        async let waiting: Void = {
            let result = await self.clock.result(by: self.deadline, late: { _ in }) {
                await withTaskCancellationHandler {
                    self.begun.fire()
                    // Of another task, and so not cancelled.
                    await Task { await mayReturn.wait() }.value
                    journal.note("body")
                    return 1
                } onCancel: {
                    told.fire()
                }
            }
            journal.note("returned \(result.map(String.init) ?? "nothing")")
        }()
        await self.begun.wait()
        self.passed.fire()
        await told.wait()
        for _ in 0..<100 { await Task.yield() }
        #expect(journal.entries.isEmpty)
        mayReturn.fire()
        await waiting
        #expect(journal.entries == ["body", "returned nothing"])
    }

    // MARK: An exchange of a protocol

    @Test("An exchange is measured by the clock that it is given, and says what took too long")
    func exchange() async throws {
        let asked = Journal<NIODeadline>()
        let start = NIODeadline.uptimeNanoseconds(1_000)
        let clock = HostClock(
            now: { start },
            sleep: { [passed] deadline in
                asked.note(deadline)
                await passed.wait()
            })
        do throws(StreamError) {
            async let exchange = StreamError.within(.seconds(10), on: clock, "the question") { () throws(StreamError) -> Int in
                await self.untilCancelled()
                throw StreamError(.cancelled, "cancelled")
            }
            await self.begun.wait()
            self.passed.fire()
            do { _ = try await exchange } catch let error as StreamError { throw error } catch { return }
            Issue.record("it should have failed")
        } catch {
            #expect(error.code == .timedOut)
            #expect(error.message.hasPrefix("the question took longer than"))
        }
        #expect(asked.entries == [start + .seconds(10)])
    }

    @Test("An exchange without a bound asks no clock, and throws what it throws")
    func unbounded() async throws {
        let clock = HostClock(
            now: {
                Issue.record("the clock was asked")
                return .uptimeNanoseconds(0)
            }, sleep: { _ in })
        #expect(try await StreamError.within(nil, on: clock, "the question", { () throws(StreamError) in 1 }) == 1)
        await #expect(throws: StreamError(.malformed, "")) {
            try await StreamError.within(.seconds(1), on: .system, "the question") { () throws(StreamError) -> Int in
                throw StreamError(.malformed, "nonsense")
            }
        }
    }
}
