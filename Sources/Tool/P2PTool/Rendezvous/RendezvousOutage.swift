import P2P
import P2PMultiaddr

/// What a command that goes on says of a rendezvous point that is of no use: once that it is not, and once that it is again.
struct RendezvousOutage {
    let point: RendezvousPointOptions
    let console: Console
    private var isOngoing = false

    init(_ point: RendezvousPointOptions, _ console: Console) { (self.point, self.console) = (point, console) }

    /// Something failed. Returns when it is to be tried again, or the task is cancelled.
    mutating func wait(after error: any Error) async {
        self.tell(ToolError(self.point.explained(error)))
        try? await Task.sleep(for: Rendezvous.pause)
    }

    private mutating func tell(_ error: ToolError) {
        guard !self.isOngoing else { return }
        self.isOngoing = true
        let pause = Rendezvous.pause
        self.say(
            [
                "event": "point_failed", "at": .text(self.point.at), "code": .string(error.code), "message": .string(error.message),
                "retry_s": .seconds(pause),
            ], "\(error); it is tried again every \(pause.components.seconds) s")
    }

    /// Something succeeded.
    mutating func end() {
        guard self.isOngoing else { return }
        self.isOngoing = false
        self.say(["event": "point_back", "at": .text(self.point.at)], "the rendezvous point answers again")
    }

    /// What was registered could not be taken back.
    func tellOfRemains(_ error: any Error) {
        let error = ToolError(self.point.explained(error))
        self.say(
            ["event": "not_unregistered", "at": .text(self.point.at), "code": .string(error.code), "message": .string(error.message)],
            "what was registered may stay at the rendezvous point until its time is over: \(error)")
    }

    /// As an event with `--json`, else on standard error.
    private func say(_ event: JSONObject, _ text: String) {
        guard self.console.speaksJSON else { return StandardError.write("p2p: \(text)\n") }
        self.console.announce(event, nil)
    }
}
