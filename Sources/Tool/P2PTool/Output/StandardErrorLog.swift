import Logging

/// A log on standard error: one line an entry, whatever a peer put into it.
struct StandardErrorLog: LogHandler {
    /// The longest entry, in characters.
    static let maximumLength = 1_024

    let label: String
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, level: Logger.Level) {
        self.label = label
        self.logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = self.metadata
        if let provided = self.metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let given = event.metadata { all.merge(given) { _, new in new } }
        let details = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let text = PeerText("\(self.label): \(event.message)\(details)", limit: Self.maximumLength)
        StandardError.write("\(event.level.rawValue) \(text)\n")
    }
}
