import NIOCore
import P2PCore
import Synchronization

/// How an application is asked, at run time, about what the rules leave to it (`ask`).
///
/// The same question is asked once, for however many wait, and its answer is remembered. When nobody waits any more, because their dial or
/// stream is over, the closure is cancelled. What is asked is bounded also by what it is for: a dial and an arrival have the time of the
/// handshakes, a stream that of the negotiation (`HostConfiguration`); an application that asks a person gives them more.
public struct PolicyAsking: Sendable {
    /// How long one question may take before it is answered with no; that is not remembered.
    public var timeout = Duration.seconds(60)
    /// Questions that are open at a time; further ones are answered with no, and that is not remembered.
    public var maximumPending = 64
    /// For how long an answer holds, unless the rules are replaced before.
    public var memory = Duration.seconds(600)
    /// Answers that are remembered; the oldest make room.
    public var maximumRemembered = 1_024
    /// Decides. What it takes part in is `question`, for people as `"\(question)"`; the rule is the one that has it asked.
    public var decide: @Sendable (_ question: PolicyQuestion, _ rule: PolicyRule) async -> Bool

    /// Asks by that closure, with the default limits.
    public init(_ decide: @escaping @Sendable (_ question: PolicyQuestion, _ rule: PolicyRule) async -> Bool) { self.decide = decide }
}

/// The questions that are open, and the answers that are remembered.
final class PolicyQuestions: Sendable {
    /// What came of a question.
    enum Outcome: Sendable {
        case yes, no, late, tooMany, cancelled
    }

    /// A question that somebody waits for.
    private final class Pending: Sendable {
        struct State {
            var outcome: Outcome?
            var task: Task<Void, Never>?
            var waiters = 1
        }

        let state = Mutex(State())
        let isAnswered = Signal()
    }

    private struct Key: Hashable {
        var question: PolicyQuestion
        let rule: String
    }

    private struct Memory {
        let isYes: Bool
        let end: NIODeadline
        let number: UInt64
    }

    private struct State {
        var pending: [Key: Pending] = [:]
        /// Closures that run, also those that nobody waits for any more.
        var running = 0
        var remembered: [Key: Memory] = [:]
        var last: UInt64 = 0
        /// Answers to questions of an earlier generation are not remembered.
        var generation = 0
    }

    private enum Step {
        case known(Outcome)
        case wait(Pending)
    }

    private let asking: PolicyAsking
    private let state = Mutex(State())

    init(_ asking: PolicyAsking) { self.asking = asking }

    /// Closures that run, for tests.
    var running: Int { self.state.withLock { $0.running } }

    /// Forgets every answer, since the rules are others.
    func forget() {
        self.state.withLock { state in
            state.remembered = [:]
            state.generation += 1
        }
    }

    /// Asks, or remembers; returns when that is answered or the task is cancelled.
    func answer(to question: PolicyQuestion, by rule: PolicyRule, clock: HostClock) async -> Outcome {
        var key = Key(question: question, rule: rule.text)
        key.question.asker.time = 0
        let now = clock.now()
        let step = self.state.withLock { state -> Step in
            if let memory = state.remembered[key] {
                if memory.end > now { return .known(memory.isYes ? .yes : .no) }
                state.remembered[key] = nil
            }
            if let pending = state.pending[key] {
                pending.state.withLock { $0.waiters += 1 }
                return .wait(pending)
            }
            guard state.running < self.asking.maximumPending else { return .known(.tooMany) }
            let pending = Pending()
            state.pending[key] = pending
            state.running += 1
            let generation = state.generation
            let asked = key
            pending.state.withLock { state in
                state.task = Task(executorPreference: clock.executor) {
                    await self.ask(question, rule, asked, pending, clock, generation)
                }
            }
            return .wait(pending)
        }
        switch step {
        case .known(let outcome): return outcome
        case .wait(let pending):
            await pending.isAnswered.wait()
            return self.leave(pending, key)
        }
    }

    private func ask(
        _ question: PolicyQuestion, _ rule: PolicyRule, _ key: Key, _ pending: Pending, _ clock: HostClock, _ generation: Int
    ) async {
        let decide = self.asking.decide
        let isYes = await clock.result(
            by: clock.now().advanced(by: self.asking.timeout), late: { _ in }, of: { await decide(question, rule) })
        let now = clock.now()
        self.state.withLock { state in
            state.running -= 1
            if state.pending[key] === pending { state.pending[key] = nil }
            guard let isYes, state.generation == generation, self.asking.memory > .zero else { return }
            if state.remembered.count >= self.asking.maximumRemembered,
                let oldest = state.remembered.min(by: { $0.value.number < $1.value.number })
            {
                state.remembered[oldest.key] = nil
            }
            state.last += 1
            state.remembered[key] = Memory(isYes: isYes, end: now.advanced(by: self.asking.memory), number: state.last)
        }
        pending.state.withLock { $0.outcome = isYes.map { $0 ? .yes : .no } ?? .late }
        pending.isAnswered.fire()
    }

    /// One waiter goes; the last one, unless there is an answer, has the closure cancelled.
    private func leave(_ pending: Pending, _ key: Key) -> Outcome {
        let (outcome, abandoned) = self.state.withLock { state in
            pending.state.withLock { waiting -> (Outcome, Task<Void, Never>?) in
                waiting.waiters -= 1
                if let outcome = waiting.outcome { return (outcome, nil) }
                guard waiting.waiters == 0 else { return (.cancelled, nil) }
                if state.pending[key] === pending { state.pending[key] = nil }
                return (.cancelled, waiting.task)
            }
        }
        abandoned?.cancel()
        return outcome
    }
}
