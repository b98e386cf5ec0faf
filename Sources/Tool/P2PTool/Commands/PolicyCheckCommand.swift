import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr
import P2PPolicy

/// `p2p policy check`.
struct PolicyCheckCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say whether a policy is sound, and what it answers.",
        discussion: """
            Without a question, the file is read and its rules are counted. A question is what a rule is about, one thing alone, and may be \
            followed by who asks: peer=ID, from=ADDRESS, app=NAME, at=TIME. The answer names the rule that decides; it ends with 1 unless the \
            answer is yes, also where an application would be asked. With --leads-to, the question's host is a name, and the answer is for one address to which it leads.
              p2p policy check rules
              p2p policy check rules tcp-connect:10.0.0.5:22
              p2p policy check rules tcp-connect:example.com:443 --leads-to 10.0.0.5
              p2p policy check rules service:/x/ssh peer=12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN
            """)

    @Argument(help: "A file of rules.")
    var file: String

    @Argument(help: "What is to be done, and for whom.")
    var question: [String] = []

    @Option(name: .customLong("leads-to"), help: ArgumentHelp("An address to which the question's name leads.", valueName: "address"))
    var leadsTo: String?

    @ParentCommand var policy: PolicyCommand
    @OptionGroup var ownOutput: OutputOptions
    var output: OutputOptions { self.ownOutput.completed(by: self.policy.output) }

    func validate() throws {
        if let leadsTo, IPAddress(leadsTo) == nil { throw ValidationError("--leads-to \(leadsTo) is not an address.") }
        if self.leadsTo != nil, self.question.isEmpty { throw ValidationError("--leads-to goes with a question.") }
    }

    func execute(_ console: Console) async throws {
        let policy = try PolicyFile(path: self.file).read()
        guard let asked = self.question.first else {
            let count = policy.rules.count
            try await console.emit(["event": "policy", "rules": .integer(count)], count == 1 ? "1 rule" : "\(count) rules")
            return
        }
        let question = try PolicyQuestion(asked, conditions: Array(self.question.dropFirst()), time: WallTime.now.secondsSince1970)
        let answer = policy.decide(question, leadingTo: self.leadsTo.flatMap { IPAddress($0) })
        try await console.emit(
            [
                "event": "answer", "granted": .bool(answer.isGranted), "asks": .bool(answer.asks),
                "line": answer.rule.map { .integer($0.line) } ?? .null,
                "rule": answer.rule.map { .string($0.text) } ?? .null, "explanation": .text(answer),
            ],
            "\(answer)")
        if !answer.isGranted { throw ExitCode.failure }
    }
}
