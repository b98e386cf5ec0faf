#if SQLite
    import Synchronization

    /// What somebody waits for, who is told once: what was read, or that the task was cancelled, whichever comes first.
    final class PeerstoreAnswer<Value: Sendable>: Sendable {
        private enum State {
            case idle
            case waiting(CheckedContinuation<Value, any Error>)
            case given(Result<Value, any Error>)
            case told
        }

        private let state = Mutex(State.idle)

        /// Whether nobody has been told anything yet.
        var isWanted: Bool {
            self.state.withLock { state in
                if case .waiting = state { true } else { false }
            }
        }

        /// - Returns: false when the answer was there first; then it has been told.
        func wait(_ continuation: CheckedContinuation<Value, any Error>) -> Bool {
            let answer = self.state.withLock { state -> Result<Value, any Error>? in
                guard case .given(let answer) = state else {
                    state = .waiting(continuation)
                    return nil
                }
                state = .told
                return answer
            }
            guard let answer else { return true }
            continuation.resume(with: answer)
            return false
        }

        /// Only the first answer counts.
        func give(_ answer: Result<Value, any Error>) {
            self.state.withLock { state -> CheckedContinuation<Value, any Error>? in
                switch state {
                case .idle:
                    state = .given(answer)
                    return nil
                case .waiting(let continuation):
                    state = .told
                    return continuation
                case .given, .told:
                    return nil
                }
            }?.resume(with: answer)
        }
    }
#endif
