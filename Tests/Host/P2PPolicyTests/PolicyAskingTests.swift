import NIOCore
import P2PCore
import P2PIdentity
import Synchronization
import Testing

@testable import P2PPolicy

@Suite("Questions to the application", .timeLimit(.minutes(1)))
struct PolicyAskingTests {
    /// An application that answers when the test says so.
    private final class Application: Sendable {
        let asked = Mutex(0)
        let cancelled = Signal()
        let began = Signal()
        let answer = Signal()

        var count: Int { self.asked.withLock { $0 } }

        func decide() async -> Bool {
            self.asked.withLock { $0 += 1 }
            self.began.fire()
            await self.answer.wait()
            if Task.isCancelled { self.cancelled.fire() }
            return true
        }
    }

    /// A clock that the test turns; nobody sleeps on it.
    private final class Hand: Sendable {
        let time = Mutex(NIODeadline.uptimeNanoseconds(1))
        var clock: HostClock { HostClock(now: { self.time.withLock { $0 } }, sleep: { _ in await Signal().wait() }) }
    }

    private let rule: PolicyRule
    private let question: PolicyQuestion

    init() throws {
        self.rule = try #require(try Policy("ask service:/chat/*").rules.first)
        self.question = try Self.question(1)
    }

    private static func question(_ number: Int) throws -> PolicyQuestion {
        try PolicyQuestion("service:/chat/\(number)", time: Int64(number))
    }

    @Test("One question is put once, however many wait, and its answer is remembered for its time")
    func once() async throws {
        let (application, hand) = (Application(), Hand())
        var asking = PolicyAsking { _, _ in await application.decide() }
        asking.memory = .seconds(10)
        let questions = PolicyQuestions(asking)
        let clock = hand.clock
        async let first = questions.answer(to: self.question, by: self.rule, clock: clock)
        async let second = questions.answer(to: self.question, by: self.rule, clock: clock)
        await application.began.wait()
        application.answer.fire()
        #expect(await [first, second] == [.yes, .yes])
        var later = self.question
        later.asker.time = 99
        #expect(await questions.answer(to: later, by: self.rule, clock: clock) == .yes)
        #expect(application.count == 1)
        hand.time.withLock { $0 = $0 + .seconds(11) }
        #expect(await questions.answer(to: self.question, by: self.rule, clock: clock) == .yes)
        #expect(application.count == 2)
        questions.forget()
        #expect(await questions.answer(to: self.question, by: self.rule, clock: clock) == .yes)
        #expect(application.count == 3 && questions.running == 0)
    }

    @Test("No answer is no, and is not remembered")
    func late() async throws {
        let application = Application()
        var asking = PolicyAsking { _, _ in await application.decide() }
        asking.timeout = .milliseconds(20)
        let questions = PolicyQuestions(asking)
        #expect(await questions.answer(to: self.question, by: self.rule, clock: .system) == .late)
        #expect(application.cancelled.isFired)
        #expect(await questions.answer(to: self.question, by: self.rule, clock: .system) == .late)
        #expect(application.count == 2)
    }

    @Test("The closure is cancelled when nobody waits any more, and not before")
    func cancellation() async throws {
        let application = Application()
        let questions = PolicyQuestions(PolicyAsking { _, _ in await application.decide() })
        let (rule, question) = (self.rule, self.question)
        let first = Task { await questions.answer(to: question, by: rule, clock: .system) }
        await application.began.wait()
        let second = Task { await questions.answer(to: question, by: rule, clock: .system) }
        first.cancel()
        // The second may not wait yet: then the question is put again for it, and that one goes on.
        #expect(await first.value == .cancelled)
        second.cancel()
        #expect(await second.value == .cancelled)
        await application.cancelled.wait()
    }

    @Test("No more questions are open than the limit, and no more answers remembered")
    func limits() async throws {
        let application = Application()
        var asking = PolicyAsking { _, _ in await application.decide() }
        asking.maximumPending = 1
        asking.maximumRemembered = 2
        let questions = PolicyQuestions(asking)
        let (rule, question) = (self.rule, self.question)
        let first = Task { await questions.answer(to: question, by: rule, clock: .system) }
        await application.began.wait()
        #expect(await questions.answer(to: try Self.question(2), by: rule, clock: .system) == .tooMany)
        application.answer.fire()
        #expect(await first.value == .yes)
        for number in [2, 3, 1] { #expect(await questions.answer(to: try Self.question(number), by: rule, clock: .system) == .yes) }
        #expect(application.count == 4)
        #expect(await questions.answer(to: try Self.question(3), by: rule, clock: .system) == .yes)
        #expect(application.count == 4)
    }
}
