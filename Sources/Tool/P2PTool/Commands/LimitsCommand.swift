import ArgumentParser
import P2PCore

/// `p2p limits`.
struct LimitsCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits",
        abstract: "Show the limits that a daemon with these options would have here, or how near its own one is that runs.",
        discussion: """
            The defaults follow from what the node is for (--preset) and from the memory and descriptors of this machine or container. With \
            --data, a daemon that runs says how near each limit is, how near it has been, and what it refused; sent SIGUSR1, it prints the same.
              p2p limits
              p2p limits --data node
              p2p limits --preset phone --json
              p2p limits --limit memory=256MiB
            """)

    @Option(help: ArgumentHelp("Ask the daemon that runs with `--data` of this directory.", valueName: "directory"))
    var data: String?

    @OptionGroup var arrivals: ArrivalOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        if let data = self.data { return try await DataDirectory(data).ask("limits", console) }
        var setup = NodeSetup()
        try self.arrivals.apply(to: &setup)
        let rows = LimitSetting.all.map { ($0, value: $0.value(in: setup)) }
        let lines = TextTable(rows.map { [$0.0.name, $0.value, $0.0.meaning] }).lines
        for ((limit, _), line) in zip(rows, lines) {
            try await console.emit(
                [
                    "event": "limit", "limit": .string(limit.name), "value": limit.number(in: setup), "unit": .string(limit.unit),
                    "setting": .string(limit.option), "meaning": .string(limit.meaning),
                ],
                line)
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
            "peak": .integer(self.peak), "refusals": .integer(self.refusals), "setting": .string(self.setting),
        ]
    }

    /// The same for people.
    var text: String {
        "  \(self.name): \(self.use) of \(self.limit), \(self.peak) at most, \(self.refusals) refused (\(self.setting))"
    }

    /// Where the limit is set.
    var setting: String { self.name == "descriptors" ? "ulimit -n" : "--limit \(self.name)=VALUE" }
}
