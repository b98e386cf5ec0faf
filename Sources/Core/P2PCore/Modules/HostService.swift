/// A task of a module that ``HostPlan/services`` hands to the host: it starts when the host runs, and is cancelled when the host
/// ends. The host says goodbye to its connections once the task has returned, or a second later.
public struct HostService: Sendable {
    /// What the log calls the task.
    public let name: String
    /// What it does until it is cancelled. It may return or throw before that; what it throws is logged.
    public let run: @Sendable (_ host: any HostAccess) async throws -> Void

    /// A task and its name; nothing runs before the host does.
    public init(_ name: String, run: @escaping @Sendable (_ host: any HostAccess) async throws -> Void) {
        self.name = name
        self.run = run
    }
}
