import ArgumentParser
import P2PCore

/// `p2p limits`.
struct LimitsCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits",
        abstract: "Show the limits that a daemon with these options would have here.",
        discussion: """
            The defaults follow from what the node is for (--preset) and from the memory and descriptors of this machine or container. A \
            daemon that runs shows how near each limit is, how near it has been, and what it refused, when it is sent SIGUSR1.
              p2p limits
              p2p limits --preset phone --json
              p2p limits --limit memory=256MiB
            """)

    @OptionGroup var arrivals: ArrivalOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        var setup = NodeSetup()
        try self.arrivals.apply(to: &setup)
        let rows = LimitSetting.all.map { ($0, value: $0.value(in: setup)) }
        let width = (name: rows.map(\.0.name.count).max() ?? 0, value: rows.map(\.value.count).max() ?? 0)
        for (limit, value) in rows {
            let columns = "\(limit.name.padded(to: width.name))  \(value.padded(to: width.value))"
            try await console.emit(
                [
                    "event": "limit", "limit": .string(limit.name), "value": limit.number(in: setup), "unit": .string(limit.unit),
                    "setting": .string(limit.option), "meaning": .string(limit.meaning),
                ],
                "\(columns)  \(limit.meaning)")
        }
    }
}

extension LimitSetting {
    /// What to say on the command line for another value.
    var option: String { "--limit \(self.name)=VALUE" }
}

extension LimitUse {
    /// As the snapshot of a daemon shows it.
    var object: JSONObject {
        [
            "limit": .string(self.name), "value": .integer(self.limit), "unit": .string(self.unit.rawValue), "use": .integer(self.use),
            "peak": .integer(self.peak), "refusals": .integer(self.refusals), "setting": .string("--limit \(self.name)=VALUE"),
        ]
    }

    /// The same for people.
    var text: String {
        "  \(self.name): \(self.use) of \(self.limit), \(self.peak) at most, \(self.refusals) refused (--limit \(self.name)=VALUE)"
    }
}

extension String {
    /// With spaces behind it up to so many characters.
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - self.count)) }
}
