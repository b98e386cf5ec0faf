import Testing

@testable import P2PCore

@Suite("The place of one task that waits")
struct WaitSlotTests {
    enum Step: String, CaseIterable { case claim, park, wake, cancel, leave }

    /// What each step answers, in a word.
    private static func apply(_ step: Step, to slot: inout WaitSlot, _ waiter: StreamBuffer.Waiter) -> String {
        switch step {
        case .claim:
            slot.claim()
            return "-"
        case .park: return slot.park(waiter) ? "parked" : "refused"
        case .wake: return slot.wake() == nil ? "nobody" : "resumed"
        case .cancel: return slot.cancel() == nil ? "nobody" : "resumed"
        case .leave: return slot.leave() ? "cancelled" : "well"
        }
    }

    /// Lends the continuation of a task that is not suspended.
    private func withWaiter(_ body: (StreamBuffer.Waiter) -> Void) async {
        await withUnsafeContinuation { waiter in
            body(waiter)
            waiter.resume()
        }
    }

    @Test(
        "Whatever the order, a task is resumed once, and knows whether it was cancelled",
        arguments: [
            ("claim park wake leave", "- parked resumed well"),
            ("claim park cancel leave", "- parked resumed cancelled"),
            ("claim wake park wake leave", "- nobody parked resumed well"),
            ("claim cancel park leave", "- nobody refused cancelled"),
            ("claim cancel wake park leave", "- nobody nobody refused cancelled"),
            ("claim park wake cancel leave", "- parked resumed nobody cancelled"),
            ("claim park cancel wake leave", "- parked resumed nobody cancelled"),
            ("claim park wake wake leave", "- parked resumed nobody well"),
            ("claim park cancel cancel leave", "- parked resumed nobody cancelled"),
            ("claim leave", "- well"),
            ("claim cancel leave claim park wake leave", "- nobody cancelled - parked resumed well"),
            ("claim park wake leave cancel claim park", "- parked resumed well nobody - parked"),
            ("wake cancel park leave", "nobody nobody refused well"),
        ])
    func orders(steps: String, answers: String) async {
        await self.withWaiter { waiter in
            var slot = WaitSlot.free
            let given = steps.split(separator: " ").compactMap { Step(rawValue: String($0)) }.map { Self.apply($0, to: &slot, waiter) }
            #expect(given.joined(separator: " ") == answers)
        }
    }

    @Test("Every order of five steps, with the place claimed only when it is free, keeps to the rules")
    func everyOrder() async {
        await self.withWaiter { waiter in
            var count = 0
            for number in 0..<3_125 {
                var (slot, rest) = (WaitSlot.free, number)
                var (isClaimed, isCancelled, isParked, isRight) = (false, false, false, true)
                for _ in 0..<5 {
                    let step = Step.allCases[rest % 5]
                    rest /= 5
                    if step == .claim, isClaimed { continue }
                    let answer = Self.apply(step, to: &slot, waiter)
                    count += 1
                    switch step {
                    case .claim: isClaimed = true
                    case .park:
                        // One task parks once, having claimed the place.
                        isRight = isRight && (answer == "parked") == (isClaimed && !isCancelled && !isParked)
                        isParked = isParked || answer == "parked"
                    case .wake, .cancel:
                        isRight = isRight && (answer == "resumed") == isParked
                        isParked = false
                        isCancelled = isCancelled || (step == .cancel && isClaimed)
                    case .leave:
                        isRight = isRight && (answer == "cancelled") == isCancelled
                        (isClaimed, isCancelled, isParked) = (false, false, false)
                    }
                    isRight = isRight && slot.isClaimed == isClaimed
                }
                #expect(isRight, "order \(number)")
            }
            #expect(count > 10_000)
        }
    }

    @Test("It costs a stream no more than a pointer and what tells its states apart")
    func size() {
        #expect(MemoryLayout<WaitSlot>.size <= 9)
    }
}
