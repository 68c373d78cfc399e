"""Which members the requests of a language server have, by its own schema: what a strict build goes by, and what an
older one does not know yet. ``tests/runtime`` compares it with the schema inside Google's binary.

Facts: language-server-schema.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from zerogravity.testing.simulator import Object
from zerogravity.wire.narrow import an_object, items

# method, or message inside of its request → members by their JSON names; ``name:Message`` where that one is listed too
MEMBERS: Mapping[str, str] = {
    "StartCascade": (
        "metadata:Metadata experimentConfig baseTrajectoryIdentifier source trajectoryType agentScriptItem cascadeId "
        "workspaceUris overrideWorkspaceUris citcWorkspaceDetails customAgentSpec parentConversationId sourceMetadata "
        "requestedModel projectEnvConfig tags activeProfile agentPath subagentDescriptor remoteControlDetails "
        "cloudOptions backend"
    ),
    "SendUserCascadeMessage": (
        "cascadeId items:TextOrScopeItem metadata:Metadata experimentConfig cascadeConfig:CascadeConfig "
        "images:ImageData blocking additionalSteps artifactComments clientType fileDiffComments fileComments "
        "media:Media propagateError plannerResponse messageOrigin customAgentSpec continueAfterInjection tags "
        "deliveryStrategy activeProfile userIdentity editorState remoteControlDetails customExtensions"
    ),
    "CancelCascadeInvocation": "cascadeId killBackgroundTasks notifyParent",
    "UpdateConversationAnnotations": "cascadeId annotations:ConversationAnnotations mergeAnnotations cascadeIds",
    "DeleteCascadeTrajectory": "cascadeId",
    "LoadTrajectory": "cascadeId",
    "GetCascadeTrajectorySteps": "cascadeId stepOffset verbosity trajectoryVerbosity disableRehydration",
    "GetCascadeTrajectory": "cascadeId verbosity trajectoryVerbosity disableRehydration",
    "GetCascadeTrajectoryGeneratorMetadata": "cascadeId generatorMetadataOffset includeMessages",
    "GetAllCascadeTrajectories": "excludeSubtrajectories",
    "Heartbeat": "metadata:Metadata previousErrorTraces experimentConfig",
    "GetUserStatus": "metadata:Metadata",
    "GetAuthStatus": "",
    "GetCascadeModelConfigData": "",
    "GetCascadeModelConfigs": "metadata:Metadata filter",
    "GetCommandModelConfigs": "metadata:Metadata",
    "SetUserSettings": "userSettings",
    "SetCloudCodeURL": "url",
    "GetLoadCodeAssist": "forceRefresh",
    "GetAvailableModels": "forceRefresh",
    "GetUnleashData": "metadata:Metadata properties",
    "GetModelStatuses": "metadata:Metadata",
    "StreamCascadeReactiveUpdates": "protocolVersion id subscriberId",
    "StreamAgentStateUpdates": (
        "conversationId subscriberId initialStepsPageBounds:Slice trajectoryVerbosity "
        "initialGeneratorMetadatasPageBounds:Slice initialExecutorMetadatasPageBounds:Slice disableRehydration "
        "enableLatencyTelemetry"
    ),
    # -- inside of them
    "Metadata": (
        "ideName extensionVersion apiKey locale os disableTelemetry ideVersion hardware sessionId extensionName "
        "lsTimestamp extensionPath userTags deviceFingerprint triggerId id userTierId regionCode productName "
        "environmentType runtimeEnvironment enabledLabsFeatures experimentConfig"
    ),
    "TextOrScopeItem": "text item",
    "CascadeConfig": (
        "plannerConfig:CascadePlannerConfig checkpointConfig:CheckpointConfig executorConfig:CascadeExecutorConfig "
        "trajectoryConversionConfig:TrajectoryConversionConfig applyModelDefaultOverride "
        "conversationHistoryConfig:ConversationHistoryConfig splitDynamicPromptSections messageConfig useDbTrajectory "
        "agentApiConfig dynamicWorkspaceUris battleModeConfig"
    ),
    "CascadePlannerConfig": (
        "planModel conversational:CascadeConversationalPlannerConfig maxOutputTokens noToolExplanation "
        "toolConfig:CascadeToolConfig truncationThresholdTokens requestedModel:ModelOrAlias "
        "ephemeralMessagesConfig:EphemeralMessagesConfig showAllErrors google:CascadeConversationalPlannerConfig "
        "customModelInfoOverride modelName retryConfig:PlannerRetryConfig stepStringConverterConfig knowledgeConfig "
        "noToolSummary agenticModeConfig cider:CascadeConversationalPlannerConfig noWaitForPreviousTools customAgent "
        "customAgentConfigAbsoluteUri promptSectionCustomizationConfig customizationConfig experiments "
        "googleMinimal:CascadeConversationalPlannerConfig declarativeMixinConfig disableLoopDetection "
        "disableSubagentConfigAdjustment useAiCredits supportsLatexRendering loopErrorModelMessage autonomous "
        "completionConfigOverride customizationDiscoveryConfig customizationTokenBudget rulesTokenBudget"
    ),
    "CascadeConversationalPlannerConfig": (
        "plannerMode evalMode agenticMode promptCombinationName conversationHistoryConfig:ConversationHistoryConfig "
        "overrideWorkspaceDirExperimentalUseOnly overrideCascadeIdForPrompt"
    ),
    "ModelOrAlias": "model alias",
    "CascadeToolConfig": (
        "mquery code intent grep find runCommand:RunCommandToolConfig knowledgeBaseSearch viewFile suggestedResponse "
        "searchWeb memory mcp listDir viewCodeItem readKnowledgeBaseItem descriptionOverrideMap commandStatus "
        "antigravityBrowser trajectorySearch disableSimpleResearchTools codeSearch internalSearch notifyUser "
        "browserSubagent taskBoundary finish workspaceApi notebookEdit invokeSubagent generateImage askQuestion "
        "permissionConfig userInteractionTimeoutSeconds askPermission writeToFile autoAllowAllInteractions "
        "skillSearch schedule forceDisableToolCalling forceEnableSendMessageTool strictArgumentValidation "
        "readUrlContent autoInteractionBehavior wait askCustomPermission toolOutput listPluginAccounts"
    ),
    "RunCommandToolConfig": (
        "maxCharsCommandStdout forceDisable autoCommandConfig:AutoCommandConfig enableIdeTerminalExecution shellName "
        "shellPath maxTimeoutMs enableMidtermOutputProcessor shellSetupScript forbidSearchCommands "
        "forceGoTerminalExecution enablePty enablePersistentMode enableTerminalSandbox executionHost "
        "enableTimeoutNotification enableDaemonCommands searchFallbackMode readOnlySandbox disableSandboxBypass "
        "sandboxProxy enablePluginAuth enableFastOutputClose"
    ),
    "AutoCommandConfig": (
        "enableModelAutoRun userAllowlist userDenylist systemAllowlist systemDenylist autoExecutionPolicy "
        "systemNooplist systemDenylistRegex sandboxSystemAllowlist"
    ),
    "PlannerRetryConfig": "modelOutputRetry:ModelOutputRetryConfig apiRetry:ModelAPIRetryConfig",
    "ModelAPIRetryConfig": (
        "maxRetries initialSleepDurationMs exponentialMultiplier includeErrorFeedback range maxSleepDurationMs"
    ),
    "ModelOutputRetryConfig": "maxRetries forbidToolUse forceToolName retryOnlyOnInvalidArgs",
    "EphemeralMessagesConfig": (
        "enabled numSteps heuristicPrompts persistenceLevel browserEphemeralOptions "
        "excludeUnleashBrowserEphemeralOptions disabledHeuristics useAllowlist enabledHeuristics staticMessages"
    ),
    "CascadeExecutorConfig": (
        "disableAsync maxGeneratorInvocations terminalStepTypes holdForValidCheckpoint holdForValidCheckpointTimeout "
        "researchOnly useAggressiveSnapshotting requireFinishTool maxForcedInvocations queueAllSteps "
        "storeGenSvcRequest enableTasks disableEmptyOutputContinuation enableAfkStopHook useCoreRewrite useCoreDirect "
        "commandAssessorConfig cortexSnapshotRevert maxStopHookContinuations enableHookStatus "
        "disableHookSystemMessageAttribution maxConsecutiveEmptyOutputRetries disableToolHookNotices "
        "disableMessageWakeAfterExecutionError cortexSnapshotRecording"
    ),
    "CheckpointConfig": (
        "tokenThreshold isSync maxOverheadRatio movingWindowSize maxTokenLimit enabled checkpointModel "
        "maxOutputTokens fullAsync retryConfig:ModelAPIRetryConfig enableFallback maxUserRequests maxUserRequestBytes "
        "maxSubagentSnapshots strategy sessionSummaryPromptOverride disableIntentOnlyCheckpoint useLastPlannerModel "
        "includeArtifactSnapshots includeSubagentSnapshots includeRunningTaskSnapshots includeConversationLog "
        "includeLastUserMessage checkpointPromptOverride continuationPromptOverride maxArtifactSectionBytes "
        "failOnInvalidOutput mediaTokensPerSecond useModelReportedTokenCount"
    ),
    "TrajectoryConversionConfig": (
        "groupToolsWithPlannerResponse wrapToolResponses logArtifactsConfig appendEphemeralToPreviousToolResult "
        "disableStepId useRawUserMessage enableToolTimestamp disableSystemMessageMerging enableContextRole "
        "maxTokensPerStep discardLoopingPlannerResponses errorOnTruncationWithoutCheckpoint raiseStepConversionError "
        "maxTokensPerUserInputStep useStructuredToolResponses discardErroredPlannerResponses ignoreUserInputTimestamp "
        "showModelSelectionChange disableSystemMessageTag taskDetailsSuffix"
    ),
    "ConversationHistoryConfig": (
        "enabled maxConversations maxTitleChars maxUserIntentChars maxConversationLogsChars maxArtifactSummaryChars"
    ),
    "ImageData": "base64Data mimeType caption uri",
    "Media": (
        "mimeType inlineData blobref description uri thumbnail durationSeconds mediaId displayName ingestionOptions "
        "startPage endPage startTimeMs endTimeMs fps mediaResolution contentLayers"
    ),
    "ConversationAnnotations": (
        "title tags archived archivalStatusTimestamp starred lastUserViewTime markedAsUnread groupId groupIndex "
        "groupDescription pinned cls activeProfile conversationGroupId sensitivityLevel"
    ),
    "Slice": "startIndex endIndexExclusive",
}  # fmt: skip

# What replaces a deprecated member, or is new: the stand-in's older build lacks all of it, as one before it could
OF_2026_09 = frozenset({
    ("SendUserCascadeMessage", "media"), ("GetCascadeTrajectorySteps", "trajectoryVerbosity"),
    ("GetCascadeTrajectory", "trajectoryVerbosity"), ("UpdateConversationAnnotations", "cascadeIds"),
    ("CascadePlannerConfig", "planModel"), ("CascadePlannerConfig", "modelName"),
    ("CascadePlannerConfig", "disableLoopDetection"), ("CascadeExecutorConfig", "disableEmptyOutputContinuation"),
    ("CascadeExecutorConfig", "maxConsecutiveEmptyOutputRetries"),
})  # fmt: skip


def _pairs(words: str) -> dict[str, str]:
    """Member → the message that it is, empty where that is not listed."""
    parts = (word.partition(":") for word in words.split())
    return {name: inner for name, _, inner in parts}


_NAMES = {message: _pairs(words) for message, words in MEMBERS.items()}


class UnknownMember(Exception):
    """The argument is its name."""


def known(message: str, body: Object, *, strict: bool, lacking: Collection[tuple[str, str]] = ()) -> Object:
    """The body without members that are no member of ``message``, at any depth. Raises UnknownMember if ``strict``."""
    if message not in _NAMES:
        return body
    kept: Object = {}
    for name, value in body.items():
        if (inner := _NAMES[message].get(name)) is None or (message, name) in lacking:
            if strict:
                raise UnknownMember(name)
            continue
        kept[name] = _known(inner, value, strict, lacking) if inner else value
    return kept


def _known(message: str, value: object, strict: bool, lacking: Collection[tuple[str, str]]) -> object:
    if (found := an_object(value)) is not None:
        return known(message, found, strict=strict, lacking=lacking)
    listed = [_known(message, item, strict, lacking) for item in items(value)]
    return listed if isinstance(value, list) else value
